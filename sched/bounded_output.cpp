#include "sched/bounded_output.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace dagz::sched {
namespace {

constexpr std::size_t kCharacterMax = 4;  // bytes of UTF-8

bool is_continuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

std::size_t sequence_length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
}

std::string_view without_cut_end(std::string_view text) {
  for (std::size_t back = 1; back < kCharacterMax && back <= text.size(); ++back) {
    const char c = text[text.size() - back];
    if (is_continuation(c)) continue;
    if (sequence_length(c) > back) text.remove_suffix(back);
    break;
  }
  return text;
}

std::string_view without_cut_start(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && n < kCharacterMax - 1 && is_continuation(text[n])) ++n;
  return text.substr(n);
}

}  // namespace

void BoundedOutput::append(std::string_view bytes) {
  total_ += bytes.size();
  const std::size_t to_head = std::min(bytes.size(), head_max_ - head_.size());
  head_.append(bytes.substr(0, to_head));
  bytes.remove_prefix(to_head);
  if (bytes.size() >= tail_max_) {
    tail_.assign(bytes.substr(bytes.size() - tail_max_));
    return;
  }
  if (tail_.size() + bytes.size() > 2 * tail_max_) tail_.erase(0, tail_.size() - tail_max_);
  tail_.append(bytes);
}

void BoundedOutput::clear() {
  total_ = 0;
  head_.clear();
  tail_.clear();
}

std::string BoundedOutput::text() const {
  if (!truncated()) return head_ + tail_;
  const std::string_view head = without_cut_end(head_);
  const std::string_view tail =
      without_cut_start(std::string_view(tail_).substr(tail_.size() - tail_max_));
  const uint64_t missing = total_ - head.size() - tail.size();
  return fmt::format("{}{}[... {} bytes left out ...]\n{}", head,
                     head.empty() || head.ends_with('\n') ? "" : "\n", missing, tail);
}

}  // namespace dagz::sched
