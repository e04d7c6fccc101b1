#pragma once

// CHECK(condition): our own invariants, on in every build. A failure is a bug in dagz, never a
// reaction to bytes from the wire, to the world or to the user.

namespace dagz {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace dagz

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::dagz::check_failed(#condition, __FILE__, __LINE__))
