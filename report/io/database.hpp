#pragma once

#include <cstdint>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

// SQLite with values for owners and one sticky error: after the first failure nothing more is
// done until clear_error(), so a sequence of statements needs one check at its end. Not for several
// threads.

namespace dagz::report {

class Database {
 public:
  enum class Mode : uint8_t {
    kWrite,      // created when missing; opens read-only when the file cannot be written
    kImmutable,  // no locks and no side files: for read-only directories
  };

  Database() = default;
  ~Database() { close(); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  bool open(const std::string& path, Mode mode);
  void close();
  bool is_open() const { return handle_ != nullptr; }
  bool is_read_only() const;

  // Any number of statements, rows ignored.
  bool execute(const char* sql);
  // The first column of the first row; 0 when there is none.
  int64_t query_integer(const char* sql);
  int64_t last_id() const;
  int64_t changed_rows() const;

  bool ok() const { return code_ == 0; }
  // The file is no database or its content contradicts itself.
  bool is_damaged() const;
  const std::string& error() const { return error_; }
  void clear_error();

 private:
  friend class Statement;
  friend class Transaction;
  // Keeps the first failure. True when `code` is none.
  bool note(int code);

  sqlite3* handle_ = nullptr;
  int code_ = 0;
  std::string error_;
};

// A prepared statement of an open database. Strings that are bound must live until it ran.
class Statement {
 public:
  Statement(Database& database, const char* sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Binds the next parameter.
  Statement& add(int64_t value);
  Statement& add(std::string_view bytes);
  Statement& add_null();

  // Runs to the end and gets ready for the next parameters. False on failure.
  bool run();
  // True while there is a row; false at the end and on failure, then ready again.
  bool next_row();
  // Ready for other parameters before the last row was read.
  void reset();

  int64_t integer(int column) const;
  std::string bytes(int column) const;
  // Valid until the next call.
  std::string_view view(int column) const;

 private:
  Database& database_;
  sqlite3_stmt* handle_ = nullptr;
  int parameter_ = 0;
};

// BEGIN IMMEDIATE, so that writers queue up instead of failing half-way; rolled back unless
// committed.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  bool commit();

 private:
  Database& database_;
  bool active_ = false;
};

}  // namespace dagz::report
