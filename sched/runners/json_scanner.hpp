#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Reads one JSON text forwards, without a tree: the few known shapes of the driver's lines are
// decoded straight into their structs. A general parser was measured at 2.4 us for the line of a
// passing test, and it refuses lone surrogates, which Python writes for every byte of a test id
// that is no UTF-8.
//
// Failure is sticky: after the first fault every call answers false, zero or empty, and `error()`
// says what was wrong. No input makes it throw, assert or recurse deeper than kDepthMax.
//
// Strings become bytes: a lone \udc80..\udcff is the raw byte 0x80..0xff (Python's
// surrogateescape), any other lone surrogate becomes its three bytes of WTF-8, a pair becomes its
// character. `append_json_string` is the inverse for all bytes. In the other direction JSON and
// UTF-8 themselves are ambiguous in one corner: of two lone surrogates that form a pair, and of raw
// bytes that happen to spell well-formed UTF-8, only the character remains.

namespace dagz::sched {

class JsonScanner {
 public:
  static constexpr int kDepthMax = 16;

  // `text` must outlive the scanner.
  explicit JsonScanner(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  bool ok() const { return error_ == nullptr; }
  std::string_view error() const { return error_ == nullptr ? "" : error_; }
  void fail(const char* why);

  // `if (begin_object()) while (next_member(key)) { read exactly one value }`; arrays alike.
  bool begin_object();
  bool next_member(std::string& key);
  bool begin_array();
  bool next_element();

  void read(std::string& out);
  void read(bool& out);
  // Fails outside of [low, high] and on fractions.
  int64_t integer(int64_t low, int64_t high);
  double number();
  // Passes over one value of any kind.
  void skip() { skip(0); }
  // True if nothing but white space is left and nothing has failed.
  bool finish();

 private:
  char peek();
  bool take(char expected);
  bool take_word(std::string_view word);
  bool next(char close);
  bool escape(std::string& out);
  bool hex4(uint32_t& out);
  void skip(int depth);

  const char* at_;
  const char* end_;
  bool fresh_ = false;  // just after an opening bracket
  const char* error_ = nullptr;
};

// Quotes `bytes` as a JSON string that Python's json.loads turns back into the str it came from.
void append_json_string(std::string& out, std::string_view bytes);

}  // namespace dagz::sched
