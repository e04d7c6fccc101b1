#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "sched/runners/json_scanner.hpp"
#include "sched/runners/pytest_protocol.hpp"

// Any bytes as a line of the driver: no crash, no bound broken, and ids that survive the way back.

namespace {

using namespace dagz::sched;

void require(bool condition) {
  if (!condition) std::abort();
}

// A lone high surrogate before a byte that is no UTF-8 is the one thing that does not come back:
// both travel as escapes, and together they are the pair of another character.
bool is_ambiguous(const std::string& bytes) {
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    const auto next = static_cast<unsigned char>(bytes[i + 1]);
    if (static_cast<unsigned char>(bytes[i]) == 0xed && next >= 0xa0 && next <= 0xaf) return true;
  }
  return false;
}

void require_round_trip(const std::string& bytes) {
  if (is_ambiguous(bytes)) return;
  std::string json;
  append_json_string(json, bytes);
  JsonScanner in(json);
  std::string back;
  in.read(back);
  require(in.finish() && back == bytes);
}

void check(const BadLine& bad) { require(!bad.why.empty()); }

void check(const DoneLine& done) {
  for (const dagz::Duration d : {done.duration, done.shared_setup, done.group_setup, done.cpu}) {
    require(d >= dagz::Duration{} && d <= kTestDurationMax);
  }
  require(done.message.find('\n') == std::string::npos);
  require_round_trip(done.output);
}

void check(const FilePart& part) {
  require(part.file < kCatalogFilesMax && part.ids.size() <= kIdsPerLineMax);
  for (const std::string& id : part.ids) require_round_trip(id);
}

void check(const Collected& collected) { require(collected.errors.size() <= kCollectionErrorsMax); }

void check(const WorkerHello& hello) { require(hello.slot < kSlotsMax && hello.pid > 0); }
void check(const WorkerForked& forked) { require(forked.slot < kSlotsMax); }
void check(const WorkerExited& exited) { require(exited.slot < kSlotsMax); }
void check(const ZygoteHello& hello) { require(hello.notes.size() <= kNotesMax); }

template <class Message>
void check(const Message&) {}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  std::visit([](const auto& message) { check(message); }, decode_driver_line(bytes));
  require_round_trip(bytes);
  return 0;
}
