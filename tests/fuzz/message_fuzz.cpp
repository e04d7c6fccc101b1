#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mesh/envelope.hpp"
#include "wire.hpp"

// Any bytes as anything that travels: decoding refuses or succeeds, and what was decoded encodes to
// bytes that mean the same. tests/wire_test.cpp writes the seeds in corpus/message.

namespace {

using namespace dagz;

void require(bool condition) {
  if (!condition) std::abort();
}

template <class T>
bool round_trip(std::span<const uint8_t> in) {
  T value{};
  if (!decode(in, value)) return false;
  const Buffer once = encode(value);
  // Varints may come in longer than needed, never shorter.
  require(once.size() <= in.size());
  T again{};
  require(decode(once, again));
  require(encode(again) == once);
  return true;
}

template <class T>
void in_parts(std::span<const uint8_t> in) {
  T value{};
  if (!decode(in, value)) return;
  if constexpr (requires { value.content; }) {
    round_trip<Message>(value.content);
    round_trip<mesh::Hello>(value.content);
  } else {
    for (const Buffer& entry : value.entries) round_trip<report::Entry>(entry);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::span<const uint8_t> in(data, size);
  round_trip<Message>(in);
  round_trip<report::Entry>(in);
  round_trip<mesh::Profile>(in);
  round_trip<mesh::Hello>(in);
  if (round_trip<mesh::Envelope>(in)) in_parts<mesh::Envelope>(in);
  if (round_trip<mesh::LogBatch>(in)) in_parts<mesh::LogBatch>(in);
  return 0;
}
