#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Text that is safe to print and the same on every node: test ids, messages and output come from
// hostile code and may hold any bytes.

namespace dagz::report {

enum class Color : uint8_t { kPlain, kGreen, kRed, kYellow, kBlue };

// `text` between SGR sequences when `on`, else as it is.
std::string paint(Color color, std::string_view text, bool on);

// The length in bytes of the well-formed UTF-8 code point that begins at `at`, which it stores in
// `code`; 0 when there is none (overlong, surrogate, out of range, truncated).
std::size_t decode_utf8(std::string_view text, std::size_t at, char32_t& code);

// One line: control characters (C0, DEL, C1), line and paragraph separators, bidirectional
// overrides and bytes that are no UTF-8 become \xNN per byte. Everything else stays.
std::string visible(std::string_view text);

// Like `visible`, but line feeds and tabs stay, a carriage return before a line feed goes, and SGR
// (colour) sequences are taken out.
std::string visible_lines(std::string_view text);

// Only bytes that are no UTF-8 become \xNN: for formats with an escape of their own for the rest.
std::string valid_utf8(std::string_view text);

// The first line that is not blank, trimmed; empty when there is none.
std::string_view first_line(std::string_view text);
// What a traceback comes to: its last line that pytest marks with "E", without the mark; of
// Python's own the exception, which is the last line at the margin; else the first line.
std::string_view headline(std::string_view traceback);

// At most `limit` bytes (at least 3) of valid UTF-8, ending in "…" when something was cut.
std::string cut(std::string_view text, std::size_t limit);

// Head and tail of a long text with a line between them that says how much is missing.
std::string head_and_tail(std::string_view text, std::size_t limit);

// What people call the node with this number: "node-2".
std::string node_name(uint32_t number);

// "1 node", "4 nodes"
std::string counted(uint64_t count, std::string_view singular);

}  // namespace dagz::report
