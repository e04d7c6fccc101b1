#pragma once

#include <string>
#include <string_view>

// What faulthandler writes of a hung worker, in a few words.

namespace dagz::sched {

// Where the thread that ran the test is, innermost frame first, up to pytest's own frames: "in wait
// (threading.py:629) < helper (test_a.py:3) < test_a (test_a.py:5)". Long ways are cut in the
// middle. `log` is what the worker wrote, its last dump counts. Empty if there is none.
std::string innermost_frames(std::string_view log);

}  // namespace dagz::sched
