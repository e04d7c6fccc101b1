#pragma once

#include <optional>
#include <string>
#include <string_view>

// Text for HTML pages. Test ids, messages and output come from hostile code: whatever they hold,
// they stay text, within elements and within quoted attributes.

namespace dagz::report {

// One line, as `visible` has it.
std::string html(std::string_view text);
// Many lines, as `visible_lines` has them.
std::string html_lines(std::string_view text);

// A part of a URL: everything but letters, digits and -._~ becomes %XX, byte for byte.
std::string percent_encode(std::string_view text);
// The bytes again; with `plus`, + is a space, as in forms. Nothing when a % is not followed by two
// hex digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus);

// The URL, if a browser may follow it: http or https, and nothing invisible within.
std::optional<std::string> web_link(std::string_view url);

}  // namespace dagz::report
