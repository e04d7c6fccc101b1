#pragma once

#include <string>
#include <string_view>

// Completion scripts for shells, made from the table of commands and options.

namespace dagz {

// `shell` is bash, zsh or fish; "" for any other.
std::string completion_script(std::string_view shell);

}  // namespace dagz
