#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dagz::mesh {

// Call before anything else from libsodium; cheap to repeat. The process dies if the library cannot
// start, because nothing could be trusted then.
void start_sodium();

// Owns key material: guarded pages that stay out of swap where the limits allow it and out of core
// dumps, wiped on destruction. Move-only; a moved-from Secret is empty.
class Secret {
 public:
  Secret() = default;
  // `size` zero bytes.
  explicit Secret(std::size_t size);
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dagz::mesh
