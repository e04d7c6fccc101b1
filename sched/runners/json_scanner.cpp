#include "sched/runners/json_scanner.hpp"

#include <charconv>
#include <system_error>

namespace dagz::sched {
namespace {

constexpr uint32_t kHighFirst = 0xD800;
constexpr uint32_t kLowFirst = 0xDC00;
constexpr uint32_t kSurrogateLast = 0xDFFF;
constexpr uint32_t kRawByteFirst = 0xDC80;
constexpr uint32_t kRawByteLast = 0xDCFF;

void append_code_point(std::string& out, uint32_t c) {
  auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

uint32_t byte_at(std::string_view text, std::size_t i) { return static_cast<uint8_t>(text[i]); }

// The code point that `text` begins with and its length; length 0 if it is malformed. Surrogates
// count as well-formed here, except those that stand for raw bytes.
struct Sequence {
  uint32_t code_point = 0;
  std::size_t length = 0;
};

Sequence first_sequence(std::string_view text) {
  const uint32_t lead = byte_at(text, 0);
  std::size_t length = 0;
  uint32_t c = 0;
  uint32_t lowest = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2, c = lead & 0x1F, lowest = 0x80;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3, c = lead & 0x0F, lowest = 0x800;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4, c = lead & 0x07, lowest = 0x10000;
  } else {
    return {};
  }
  if (text.size() < length) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte_at(text, i) & 0xC0) != 0x80) return {};
    c = (c << 6) | (byte_at(text, i) & 0x3F);
  }
  if (c < lowest || c > 0x10FFFF || (c >= kRawByteFirst && c <= kRawByteLast)) return {};
  return {c, length};
}

bool is_surrogate(uint32_t c) { return c >= kHighFirst && c <= kSurrogateLast; }

// Whether `text` would be written with a low surrogate first: after a high one that reads as a
// pair.
bool begins_as_low(std::string_view text) {
  if (text.empty() || byte_at(text, 0) < 0x80) return false;
  const Sequence sequence = first_sequence(text);
  return sequence.length == 0 ||
         (is_surrogate(sequence.code_point) && sequence.code_point >= kLowFirst);
}

bool is_plain(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

void append_escape(std::string& out, uint32_t unit) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(unit >> shift) & 0xF];
}

}  // namespace

void JsonScanner::fail(const char* why) {
  if (error_ == nullptr) error_ = why;
  at_ = end_;
}

char JsonScanner::peek() {
  while (at_ != end_ && (*at_ == ' ' || *at_ == '\t' || *at_ == '\r' || *at_ == '\n')) ++at_;
  return at_ == end_ ? '\0' : *at_;
}

bool JsonScanner::take(char expected) {
  if (peek() != expected || at_ == end_) {
    fail("malformed JSON");
    return false;
  }
  ++at_;
  return true;
}

bool JsonScanner::take_word(std::string_view word) {
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

bool JsonScanner::begin_object() { return fresh_ = take('{'); }
bool JsonScanner::begin_array() { return fresh_ = take('['); }

// To the next member or element; false after the closing bracket or a fault.
bool JsonScanner::next(char close) {
  const bool first = fresh_;
  fresh_ = false;
  if (peek() == close && at_ != end_) {
    ++at_;
    return false;
  }
  return first ? ok() : take(',');
}

bool JsonScanner::next_element() { return next(']'); }

bool JsonScanner::next_member(std::string& key) {
  if (!next('}')) return false;
  read(key);
  return take(':');
}

void JsonScanner::read(std::string& out) {
  out.clear();
  if (!take('"')) return;
  for (;;) {
    const char* run = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<uint8_t>(*at_) >= 0x20) ++at_;
    out.append(run, at_);
    if (at_ == end_ || static_cast<uint8_t>(*at_) < 0x20) return fail("unterminated string");
    if (*at_++ == '"') return;
    if (!escape(out)) return fail("malformed escape in a string");
  }
}

bool JsonScanner::escape(std::string& out) {
  if (at_ == end_) return false;
  switch (*at_++) {
    case '"':
      out += '"';
      return true;
    case '\\':
      out += '\\';
      return true;
    case '/':
      out += '/';
      return true;
    case 'b':
      out += '\b';
      return true;
    case 'f':
      out += '\f';
      return true;
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case 'u':
      break;
    default:
      return false;
  }
  uint32_t c = 0;
  if (!hex4(c)) return false;
  if (c >= kHighFirst && c < kLowFirst) {
    const char* after_high = at_;
    uint32_t low = 0;
    if (take_word("\\u") && hex4(low) && low >= kLowFirst && low <= kSurrogateLast) {
      c = 0x10000 + ((c - kHighFirst) << 10) + (low - kLowFirst);
    } else {
      at_ = after_high;
    }
  } else if (c >= kRawByteFirst && c <= kRawByteLast) {
    out += static_cast<char>(c - kLowFirst);
    return true;
  }
  append_code_point(out, c);
  return true;
}

bool JsonScanner::hex4(uint32_t& out) {
  if (end_ - at_ < 4) return false;
  auto [stop, error] = std::from_chars(at_, at_ + 4, out, 16);
  if (error != std::errc() || stop != at_ + 4) return false;
  at_ = stop;
  return true;
}

void JsonScanner::read(bool& out) {
  peek();
  if (take_word("true")) {
    out = true;
  } else if (take_word("false")) {
    out = false;
  } else {
    fail("expected true or false");
  }
}

int64_t JsonScanner::integer(int64_t low, int64_t high) {
  peek();
  int64_t value = 0;
  auto [stop, error] = std::from_chars(at_, end_, value);
  const bool fraction = stop != end_ && (*stop == '.' || *stop == 'e' || *stop == 'E');
  if (error != std::errc() || fraction || value < low || value > high) {
    fail("expected a whole number within its bounds");
    return 0;
  }
  at_ = stop;
  return value;
}

double JsonScanner::number() {
  peek();
  const char* digits = at_ != end_ && *at_ == '-' ? at_ + 1 : at_;
  double value = 0;
  // The digit rules out "inf" and "nan", which from_chars would take.
  if (digits != end_ && *digits >= '0' && *digits <= '9') {
    auto [stop, error] = std::from_chars(at_, end_, value);
    if (error == std::errc()) {
      at_ = stop;
      return value;
    }
  }
  fail("expected a number");
  return 0;
}

void JsonScanner::skip(int depth) {
  if (depth > kDepthMax) return fail("nested too deeply");
  std::string ignored;
  switch (peek()) {
    case '{':
      begin_object();
      while (next_member(ignored)) skip(depth + 1);
      return;
    case '[':
      begin_array();
      while (next_element()) skip(depth + 1);
      return;
    case '"':
      return read(ignored);
    case 't':
    case 'f': {
      bool flag = false;
      return read(flag);
    }
    case 'n':
      if (!take_word("null")) fail("malformed JSON");
      return;
    default:
      number();
      return;
  }
}

bool JsonScanner::finish() {
  peek();
  if (at_ != end_) fail("text after the end of the message");
  return ok();
}

void append_json_string(std::string& out, std::string_view bytes) {
  out += '"';
  for (std::size_t i = 0; i < bytes.size();) {
    std::size_t end = i;
    while (end < bytes.size() && is_plain(bytes[end])) ++end;
    out.append(bytes.substr(i, end - i));
    i = end;
    if (i == bytes.size()) break;
    const uint32_t byte = byte_at(bytes, i);
    if (byte < 0x80) {
      if (byte == '"' || byte == '\\') {
        out += '\\';
        out += static_cast<char>(byte);
      } else {
        append_escape(out, byte);
      }
      ++i;
      continue;
    }
    const Sequence sequence = first_sequence(bytes.substr(i));
    const bool is_high = sequence.code_point >= kHighFirst && sequence.code_point < kLowFirst;
    if (sequence.length == 0 || (is_high && begins_as_low(bytes.substr(i + sequence.length)))) {
      append_escape(out, kLowFirst + byte);
      ++i;
      continue;
    }
    if (is_surrogate(sequence.code_point)) {
      append_escape(out, sequence.code_point);
    } else {
      out.append(bytes.substr(i, sequence.length));
    }
    i += sequence.length;
  }
  out += '"';
}

}  // namespace dagz::sched
