#include "report/text.hpp"

#include <fmt/format.h>

namespace dagz::report {
namespace {

void append_hex(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    out += "\\x";
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
}

bool is_unprintable(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
         (code >= 0x200e && code <= 0x200f) ||  // direction marks
         (code >= 0x2028 && code <= 0x202e) ||  // separators, embeddings and overrides
         (code >= 0x2066 && code <= 0x2069);    // isolates
}

// The length of the SGR sequence (ESC [ digits ; m) at `at`, 0 when there is none.
std::size_t sgr_length(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) != "\x1b[") return 0;
  std::size_t end = at + 2;
  while (end < text.size() && (text[end] == ';' || (text[end] >= '0' && text[end] <= '9'))) ++end;
  return end < text.size() && text[end] == 'm' ? end + 1 - at : 0;
}

bool is_plain_ascii(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x20 || byte >= 0x7f) return false;
  }
  return true;
}

std::string make_visible(std::string_view text, bool keep_lines) {
  if (is_plain_ascii(text)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t at = 0; at < text.size();) {
    char32_t code = 0;
    const std::size_t length = decode_utf8(text, at, code);
    if (keep_lines) {
      const std::size_t sgr = sgr_length(text, at);
      if (sgr > 0 || text.substr(at, 2) == "\r\n") {
        at += sgr > 0 ? sgr : 1;
        continue;
      }
    }
    const std::string_view bytes = text.substr(at, length == 0 ? 1 : length);
    const bool keep =
        length > 0 && (!is_unprintable(code) || (keep_lines && (code == U'\n' || code == U'\t')));
    if (keep) {
      out += bytes;
    } else {
      append_hex(out, bytes);
    }
    at += bytes.size();
  }
  return out;
}

// The largest boundary between code points that is not after `limit`.
std::size_t boundary_before(std::string_view text, std::size_t limit) {
  std::size_t end = limit < text.size() ? limit : text.size();
  while (end > 0 && end < text.size() && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return end;
}

}  // namespace

std::string paint(Color color, std::string_view text, bool on) {
  if (!on || color == Color::kPlain || text.empty()) return std::string(text);
  int code = 0;
  switch (color) {
    case Color::kGreen:
      code = 32;
      break;
    case Color::kRed:
      code = 31;
      break;
    case Color::kYellow:
      code = 33;
      break;
    case Color::kBlue:
      code = 34;
      break;
    case Color::kPlain:
      break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::size_t decode_utf8(std::string_view text, std::size_t at, char32_t& code) {
  if (at >= text.size()) return 0;
  const auto first = static_cast<uint8_t>(text[at]);
  if (first < 0x80) {
    code = first;
    return 1;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return 0;
  char32_t value = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[at + i]);
    if ((byte & 0xc0) != 0x80) return 0;
    value = (value << 6) | (byte & 0x3f);
  }
  const char32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
  code = value;
  return length;
}

std::string visible(std::string_view text) { return make_visible(text, false); }

std::string visible_lines(std::string_view text) { return make_visible(text, true); }

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    char32_t code = 0;
    const std::size_t length = decode_utf8(text, at, code);
    if (length == 0) {
      append_hex(out, text.substr(at, 1));
    } else {
      out += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return out;
}

std::string_view first_line(std::string_view text) {
  static constexpr std::string_view kBlank = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  const std::string_view line = text.substr(begin, text.find_first_of("\r\n", begin) - begin);
  return line.substr(0, line.find_last_not_of(kBlank) + 1);
}

std::string_view headline(std::string_view traceback) {
  std::string_view found;
  // Of Python's own traceback what stands at the margin last is the exception.
  const bool plain = first_line(traceback).starts_with("Traceback (most recent call last)");
  std::string_view exception;
  for (std::string_view rest = traceback; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const std::size_t text = line.find_first_not_of(' ', 1);
    if (line.starts_with("E ") && text != std::string_view::npos) found = line.substr(text);
    if (plain && !line.empty() && line[0] != ' ' && line[0] != '(') exception = line;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (!found.empty()) return found;
  return exception.empty() ? first_line(traceback) : exception;
}

std::string cut(std::string_view text, std::size_t limit) {
  static constexpr std::string_view kEllipsis = "…";
  if (text.size() <= limit) return std::string(text);
  const std::size_t room = limit > kEllipsis.size() ? limit - kEllipsis.size() : 0;
  return std::string(text.substr(0, boundary_before(text, room))) + std::string(kEllipsis);
}

std::string head_and_tail(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return std::string(text);
  const std::size_t head = boundary_before(text, limit / 2);
  const std::size_t tail = boundary_before(text, text.size() - limit / 2);
  return fmt::format("{}\n... {} left out ...\n{}", text.substr(0, head),
                     counted(tail - head, "byte"), text.substr(tail));
}

std::string node_name(uint32_t number) { return "node-" + std::to_string(number); }

std::string counted(uint64_t count, std::string_view singular) {
  return fmt::format("{} {}{}", count, singular, count == 1 ? "" : "s");
}

}  // namespace dagz::report
