#pragma once

#include <string>
#include <string_view>

// What a command has to say, and how it ends.

namespace dagz {

// A line for people, on standard error.
void say(const std::string& sentence);

// Says it; the exit code that is given.
int fail(int code, const std::string& sentence);

// On standard output, as it is. False when it could not be written.
bool put(std::string_view text);

// The same for whole lines; a line end is added where it is missing. The exit code: 0, or 3 after a
// sentence when it could not be written.
int print(std::string_view text);

}  // namespace dagz
