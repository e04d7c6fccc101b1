#pragma once

#include <cereal/cereal.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

// Cereal archives for the wire. Integers are LEB128 variable-length (signed ones zigzag), so small
// values cost a byte and the format does not depend on the machine. Floating point does not exist
// on the wire.
//
// WireReader trusts nothing: it throws WireError (caught in `decode`, or by whoever reads a file
// piece by piece) on a short buffer, on a length that exceeds what is left, and on values out of
// range. Lists, strings and bytes must go through `bounded`, which enforces a named limit; lists
// grow as they are decoded, so memory use is proportional to the bytes received.

namespace dagz {

struct WireError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Buffer = std::vector<uint8_t>;

class WireWriter : public cereal::OutputArchive<WireWriter, cereal::AllowEmptyClassElision> {
 public:
  explicit WireWriter(Buffer& out)
      : cereal::OutputArchive<WireWriter, cereal::AllowEmptyClassElision>(this), out_(out) {}

  void write_varint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<uint8_t>(value));
  }

  void write_bytes(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const uint8_t*>(data);
    out_.insert(out_.end(), bytes, bytes + size);
  }

 private:
  Buffer& out_;
};

class WireReader : public cereal::InputArchive<WireReader, cereal::AllowEmptyClassElision> {
 public:
  explicit WireReader(std::span<const uint8_t> in)
      : cereal::InputArchive<WireReader, cereal::AllowEmptyClassElision>(this), in_(in) {}

  std::size_t remaining() const { return in_.size() - at_; }

  uint64_t read_varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= in_.size()) throw WireError("truncated integer");
      const uint8_t byte = in_[at_++];
      if (shift == 63 && byte > 1) throw WireError("integer overflow");
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    throw WireError("integer too long");
  }

  void read_bytes(void* data, std::size_t size) {
    if (size > remaining()) throw WireError("truncated bytes");
    if (size > 0) std::memcpy(data, in_.data() + at_, size);
    at_ += size;
  }

 private:
  std::span<const uint8_t> in_;
  std::size_t at_ = 0;
};

template <class T>
concept WireInteger = std::integral<T>;

template <WireInteger T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const T& value) {
  if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<int64_t>(value);
    archive.write_varint((static_cast<uint64_t>(wide) << 1) ^ static_cast<uint64_t>(wide >> 63));
  } else {
    archive.write_varint(static_cast<uint64_t>(value));
  }
}

template <WireInteger T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, T& value) {
  const uint64_t raw = archive.read_varint();
  if constexpr (std::is_signed_v<T>) {
    const auto wide = static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
    value = static_cast<T>(wide);
    if (static_cast<int64_t>(value) != wide) throw WireError("integer out of range");
  } else if constexpr (std::same_as<T, bool>) {
    if (raw > 1) throw WireError("boolean out of range");
    value = raw == 1;
  } else {
    value = static_cast<T>(raw);
    if (static_cast<uint64_t>(value) != raw) throw WireError("integer out of range");
  }
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const cereal::SizeTag<T>& tag) {
  archive.write_varint(static_cast<uint64_t>(tag.size));
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, cereal::SizeTag<T>& tag) {
  const uint64_t size = archive.read_varint();
  if (size > archive.remaining()) throw WireError("length exceeds the message");
  tag.size = static_cast<std::remove_reference_t<T>>(size);
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const cereal::BinaryData<T>& data) {
  static_assert(sizeof(std::remove_pointer_t<T>) == 1, "only bytes travel raw");
  archive.write_bytes(data.data, static_cast<std::size_t>(data.size));
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, cereal::BinaryData<T>& data) {
  static_assert(sizeof(std::remove_pointer_t<T>) == 1, "only bytes travel raw");
  archive.read_bytes(data.data, static_cast<std::size_t>(data.size));
}

template <class Archive, class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Archive& archive, cereal::NameValuePair<T>& pair) requires
    std::same_as<Archive, WireWriter> || std::same_as<Archive, WireReader> {
  archive(pair.value);
}

// A list with a limit. Use inside serialize(): `archive(bounded(items, kItemsMax))`.
template <class T>
struct BoundedList {
  std::vector<T>& items;
  std::size_t limit;
};

template <class T>
BoundedList<T> bounded(std::vector<T>& items, std::size_t limit) {
  return {items, limit};
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const BoundedList<T>& list) {
  archive.write_varint(list.items.size());
  for (const T& item : list.items) archive(item);
}

template <class T>
void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, BoundedList<T>& list) {
  const uint64_t size = archive.read_varint();
  if (size > list.limit) throw WireError("list exceeds its limit");
  if (size > archive.remaining()) throw WireError("list exceeds the message");
  list.items.clear();
  for (uint64_t i = 0; i < size; ++i) {
    list.items.emplace_back();
    archive(list.items.back());
  }
}

// Bytes with a limit.
struct BoundedBytes {
  Buffer& bytes;
  std::size_t limit;
};

inline BoundedBytes bounded(Buffer& bytes, std::size_t limit) { return {bytes, limit}; }

inline void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const BoundedBytes& content) {
  archive.write_varint(content.bytes.size());
  archive.write_bytes(content.bytes.data(), content.bytes.size());
}

inline void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, BoundedBytes& content) {
  const uint64_t size = archive.read_varint();
  if (size > content.limit) throw WireError("bytes exceed their limit");
  if (size > archive.remaining()) throw WireError("bytes exceed the message");
  content.bytes.resize(size);
  archive.read_bytes(content.bytes.data(), size);
}

// A string with a limit, in bytes.
struct BoundedString {
  std::string& text;
  std::size_t limit;
};

inline BoundedString bounded(std::string& text, std::size_t limit) { return {text, limit}; }

inline void CEREAL_SAVE_FUNCTION_NAME(WireWriter& archive, const BoundedString& string) {
  archive.write_varint(string.text.size());
  archive.write_bytes(string.text.data(), string.text.size());
}

inline void CEREAL_LOAD_FUNCTION_NAME(WireReader& archive, BoundedString& string) {
  const uint64_t size = archive.read_varint();
  if (size > string.limit) throw WireError("string exceeds its limit");
  if (size > archive.remaining()) throw WireError("string exceeds the message");
  string.text.resize(size);
  archive.read_bytes(string.text.data(), size);
}

template <class T>
Buffer encode(const T& value) {
  Buffer out;
  out.reserve(256);
  WireWriter writer(out);
  writer(value);
  return out;
}

// False when the bytes are no valid T or do not end with it; `value` is then unspecified.
template <class T>
bool decode(std::span<const uint8_t> in, T& value) {
  try {
    WireReader reader(in);
    reader(value);
    return reader.remaining() == 0;
  } catch (const WireError&) {
    return false;
  } catch (const cereal::Exception&) {
    return false;
  }
}

}  // namespace dagz

CEREAL_SETUP_ARCHIVE_TRAITS(dagz::WireReader, dagz::WireWriter)
