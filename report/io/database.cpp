#include "report/io/database.hpp"

#include <sqlite3.h>

#include <cstring>

namespace dagz::report {
namespace {

// Longer than a writer takes for the largest job.
constexpr int kBusyTimeoutMs = 20'000;

std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    switch (c) {
      case '%':
        uri += "%25";
        break;
      case '?':
        uri += "%3f";
        break;
      case '#':
        uri += "%23";
        break;
      default:
        uri.push_back(c);
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

bool Database::open(const std::string& path, Mode mode) {
  close();
  const bool immutable = mode == Mode::kImmutable;
  const int flags = SQLITE_OPEN_NOMUTEX | (immutable ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI
                                                     : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const std::string name = immutable ? immutable_uri(path) : path;
  if (!note(sqlite3_open_v2(name.c_str(), &handle_, flags, nullptr))) {
    sqlite3_close_v2(handle_);
    handle_ = nullptr;
    return false;
  }
  sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
  return true;
}

void Database::close() {
  sqlite3_close_v2(handle_);
  handle_ = nullptr;
  clear_error();
}

bool Database::is_read_only() const {
  return handle_ != nullptr && sqlite3_db_readonly(handle_, "main") == 1;
}

bool Database::execute(const char* sql) {
  if (!ok()) return false;
  return note(sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr));
}

int64_t Database::query_integer(const char* sql) {
  Statement statement(*this, sql);
  return statement.next_row() ? statement.integer(0) : 0;
}

int64_t Database::last_id() const { return sqlite3_last_insert_rowid(handle_); }

int64_t Database::changed_rows() const { return sqlite3_changes(handle_); }

bool Database::is_damaged() const { return code_ == SQLITE_CORRUPT || code_ == SQLITE_NOTADB; }

void Database::clear_error() {
  code_ = 0;
  error_.clear();
}

bool Database::note(int code) {
  const int primary = code & 0xff;
  if (primary == SQLITE_OK || primary == SQLITE_ROW || primary == SQLITE_DONE) return true;
  if (ok()) {
    code_ = primary;
    error_ = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
    const int cause = handle_ != nullptr ? sqlite3_system_errno(handle_) : 0;
    if (primary == SQLITE_IOERR && cause != 0) error_ += std::string(", ") + std::strerror(cause);
  }
  return false;
}

Statement::Statement(Database& database, const char* sql) : database_(database) {
  if (!database_.ok()) return;
  database_.note(sqlite3_prepare_v2(database_.handle_, sql, -1, &handle_, nullptr));
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::add(int64_t value) {
  if (handle_ != nullptr) database_.note(sqlite3_bind_int64(handle_, ++parameter_, value));
  return *this;
}

Statement& Statement::add(std::string_view bytes) {
  if (handle_ == nullptr) return *this;
  const char* data = bytes.empty() ? "" : bytes.data();
  database_.note(sqlite3_bind_blob64(handle_, ++parameter_, data, bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::add_null() {
  if (handle_ != nullptr) database_.note(sqlite3_bind_null(handle_, ++parameter_));
  return *this;
}

bool Statement::run() {
  while (next_row()) {
  }
  return database_.ok();
}

bool Statement::next_row() {
  if (handle_ == nullptr || !database_.ok()) return false;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  database_.note(code);
  reset();
  return false;
}

void Statement::reset() {
  if (handle_ != nullptr) sqlite3_reset(handle_);
  parameter_ = 0;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string Statement::bytes(int column) const { return std::string(view(column)); }

std::string_view Statement::view(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

Transaction::Transaction(Database& database) : database_(database) {
  active_ = database_.execute("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  // Past a failure too, hence not through execute(). A failed rollback means there was none to do.
  if (active_) sqlite3_exec(database_.handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

bool Transaction::commit() {
  if (active_ && database_.execute("COMMIT")) active_ = false;
  return !active_ && database_.ok();
}

}  // namespace dagz::report
