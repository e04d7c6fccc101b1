#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mesh/archive.hpp"

// What a test says for the JUnit file: of itself, pytest's `user_properties`, as record_property
// adds them; of the whole suite, what record_testsuite_property was given while the test ran.

namespace dagz::report {

inline constexpr std::size_t kPropertiesMax = 64;  // of one attempt
inline constexpr std::size_t kPropertyNameMax = 256;
inline constexpr std::size_t kPropertyValueMax = 4096;

struct Property {
  std::string name;
  std::string value;
  bool of_suite = false;

  bool operator==(const Property&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(bounded(name, kPropertyNameMax), bounded(value, kPropertyValueMax), of_suite);
  }
};

// Nearly no attempt has any, and there may be a million attempts: empty they take a pointer.
class Properties {
 public:
  Properties() = default;
  Properties(std::initializer_list<Property> list) {
    if (list.size() > 0) items_ = std::make_unique<std::vector<Property>>(list);
  }
  Properties(const Properties& other)
      : items_(other.items_ ? std::make_unique<std::vector<Property>>(*other.items_) : nullptr) {}
  Properties(Properties&&) noexcept = default;
  Properties& operator=(Properties other) noexcept {
    items_ = std::move(other.items_);
    return *this;
  }
  ~Properties() = default;

  bool empty() const { return size() == 0; }
  std::size_t size() const { return items_ ? items_->size() : 0; }
  Property* begin() { return items_ ? items_->data() : nullptr; }
  Property* end() { return begin() + size(); }
  const Property* begin() const { return items_ ? items_->data() : nullptr; }
  const Property* end() const { return begin() + size(); }
  void push_back(Property one) {
    if (!items_) items_ = std::make_unique<std::vector<Property>>();
    items_->push_back(std::move(one));
  }
  void clear() { items_.reset(); }

  bool operator==(const Properties& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

  // As a list.
  template <class Archive>
  void serialize(Archive& archive) {
    if (!items_) items_ = std::make_unique<std::vector<Property>>();
    archive(bounded(*items_, kPropertiesMax));
    if (items_->empty()) clear();
  }

 private:
  std::unique_ptr<std::vector<Property>> items_;
};

}  // namespace dagz::report
