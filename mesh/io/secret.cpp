#include "mesh/io/secret.hpp"

#include <sodium.h>

#include <cstring>
#include <utility>

#include "mesh/check.hpp"

namespace dagz::mesh {

void start_sodium() { CHECK(sodium_init() >= 0); }

Secret::Secret(std::size_t size) : size_(size) {
  start_sodium();
  data_ = static_cast<uint8_t*>(sodium_malloc(size));
  CHECK(data_ != nullptr);
  std::memset(data_, 0, size);
}

Secret::~Secret() { sodium_free(data_); }

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace dagz::mesh
