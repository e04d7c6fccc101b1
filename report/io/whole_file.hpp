#pragma once

#include <string>
#include <string_view>

// A file that the user named, written whole or not at all.

namespace dagz::report {

// Opens for writing with these flags of open(). Nobody hangs here for a pipe: whoever reads it may
// open it within two seconds. Below zero, and `error` says why in words, when it cannot be.
int open_for_writing(const std::string& path, int flags, std::string& error);

// A regular file is replaced in one step, by a new one that is written beside it and has its mode;
// links are followed to what they mean. What is no regular file (a device, a pipe) is written to as
// it is, and so is what standard output or error are redirected to.
class WholeFile {
 public:
  explicit WholeFile(const std::string& path);
  // What was not kept leaves nothing behind.
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  // Both return false, also ever after, once something went wrong.
  bool write(std::string_view bytes);
  bool keep();
  // Why, in words; empty as long as all is well.
  const std::string& error() const { return error_; }

 private:
  void open(const std::string& path);
  void open_new(const std::string& target);
  void open_as_it_is(const std::string& path);
  bool fail(int error);
  void close();

  int descriptor_ = -1;
  bool is_ours_ = true;  // to close
  std::string target_;
  std::string temporary_;  // empty: written as it is
  std::string error_;
};

// Writes all of `text`. Why it failed, in words; empty when it did not.
std::string write_whole_file(const std::string& path, std::string_view text);

}  // namespace dagz::report
