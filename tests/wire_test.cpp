#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/support/samples.hpp"

// The list of what members say: its numbers on the wire, and the seeds of its fuzzer.

using namespace dagz;

namespace {

// What the fuzzer starts from: file names and bytes.
std::map<std::string, Buffer> seeds() {
  std::map<std::string, Buffer> seeds;
  const auto number = [](std::size_t index) {
    return std::string(index < 10 ? "0" : "") + std::to_string(index);
  };
  for (const Message& message : test::sample_messages()) {
    seeds["message_" + number(message.index())] = encode(message);
  }
  for (const report::Entry& entry : test::sample_entries()) {
    seeds["entry_" + number(entry.index())] = encode(entry);
  }
  const test::Actor author(1);
  seeds["profile"] = encode(author.profile);
  seeds["batch"] = encode(test::sample_batch());
  seeds["envelope_hello"] = test::sample_hello();
  seeds["envelope_message"] =
      mesh::seal_envelope(author.crypto, mesh::EnvelopeKind::kMessage, test::numbered_id(2), 9,
                          encode(test::sample_messages()[9]));
  seeds["envelope_upkeep"] =
      mesh::seal_upkeep(author.crypto, author.crypto.shared_key(author.profile.key),
                        test::numbered_id(2), 9, encode(test::sample_messages()[0]));
  return seeds;
}

template <class T>
bool decodes(const Buffer& bytes) {
  T value{};
  return decode(bytes, value);
}

}  // namespace

TEST_CASE("wire: every message and entry comes back as it was sent", "[wire]") {
  for (const Message& message : test::sample_messages()) {
    Message back;
    REQUIRE(decode(encode(message), back));
    CHECK(back.index() == message.index());
    CHECK(encode(back) == encode(message));
  }
  for (const report::Entry& entry : test::sample_entries()) {
    report::Entry back;
    REQUIRE(decode(encode(entry), back));
    CHECK(back.index() == entry.index());
    CHECK(encode(back) == encode(entry));
  }
}

TEST_CASE("wire: the samples have every message and entry, in order", "[wire]") {
  const auto messages = test::sample_messages();
  REQUIRE(messages.size() == std::variant_size_v<Message>);
  for (std::size_t i = 0; i < messages.size(); ++i) CHECK(messages[i].index() == i);
  const auto entries = test::sample_entries();
  REQUIRE(entries.size() == std::variant_size_v<report::AnyEntry>);
  for (std::size_t i = 0; i < entries.size(); ++i) CHECK(entries[i].index() == i);
}

TEST_CASE("wire: kinds keep their numbers", "[wire]") {
  // A zigzag varint stands before each: old nodes must read it as we do.
  CHECK(encode(Message{mesh::Ping{}})[0] == 2 * 0);
  CHECK(encode(Message{mesh::LogPush{}})[0] == 2 * 7);
  CHECK(encode(Message{sched::StopRequest{}})[0] == 2 * 11);
  CHECK(encode(Message{QueryAnswer{}})[0] == 2 * 13);
  CHECK(encode(report::Entry{report::Opened{}})[0] == 2 * 0);
  CHECK(encode(report::Entry{report::Granted{}})[0] == 2 * 10);
  CHECK(encode(report::Entry{report::Finished{}})[0] == 2 * 13);
  CHECK(encode(report::Entry{report::Closed{}})[0] == 2 * 17);
}

TEST_CASE("wire: what a test recorded is bounded, and costs nothing where it recorded nothing",
          "[wire]") {
  report::Finished entry = test::finished(1, 2);
  entry.again = true;
  const std::size_t bare = encode(report::Entry{entry}).size();
  const auto travels = [&entry] {
    report::Entry back;
    if (!decode(encode(report::Entry{entry}), back)) return false;
    const auto& finished = std::get<report::Finished>(back);
    return finished.properties == entry.properties && finished.again && !finished.copy;
  };
  CHECK(travels());
  entry.properties = {{"a", "b"}, {"of", "all", true}};
  CHECK(encode(report::Entry{entry}).size() == bare + 14);
  CHECK(travels());
  entry.properties.clear();
  for (std::size_t i = 0; i < report::kPropertiesMax; ++i) {
    entry.properties.push_back(
        {std::string(report::kPropertyNameMax, 'n'), std::string(report::kPropertyValueMax, 'v')});
  }
  CHECK(travels());
  SECTION("in number") { entry.properties.push_back({}); }
  SECTION("in the length of a name") { entry.properties.begin()->name += 'n'; }
  SECTION("in the length of a value") { entry.properties.begin()->value += 'v'; }
  CHECK_FALSE(travels());
}

TEST_CASE("wire: bytes and texts of messages are bounded, and travel as they are", "[wire]") {
  mesh::Relayed relayed{{}, {}, Buffer(mesh::kControlMessageMax, 0xff)};
  mesh::Relayed back;
  REQUIRE(decode(encode(relayed), back));
  CHECK(back.box == relayed.box);
  CHECK(encode(relayed).size() < relayed.box.size() + 50);
  relayed.box.push_back(1);
  CHECK_FALSE(decode(encode(relayed), back));

  mesh::Envelope envelope;
  envelope.content.assign(mesh::kBulkMessageMax, 0xff);
  mesh::Envelope opened;
  CHECK(decode(encode(envelope), opened));
  envelope.content.push_back(1);
  CHECK_FALSE(decode(encode(envelope), opened));

  report::WorkerStatus status;
  report::WorkerStatus heard;
  status.current.assign(report::kTestIdMax, 'i');
  CHECK(decode(encode(status), heard));
  status.current += 'i';
  CHECK_FALSE(decode(encode(status), heard));
}

// After a change of format write the seeds anew: DAGZ_WRITE_CORPUS=1 build/tests/dagz_tests
// [corpus]
TEST_CASE("wire: the seeds of the fuzzer still mean something", "[wire][corpus]") {
  const std::filesystem::path folder =
      std::filesystem::path(DAGZ_SOURCE_DIR) / "tests/fuzz/corpus/message";
  if (std::getenv("DAGZ_WRITE_CORPUS") != nullptr) {
    std::filesystem::create_directories(folder);
    for (const auto& [name, bytes] : seeds()) {
      std::ofstream stream(folder / name, std::ios::binary);
      stream.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }
  }
  for (const auto& [name, bytes] : seeds()) {
    INFO(name);
    std::ifstream stream(folder / name, std::ios::binary);
    REQUIRE(stream.good());
    const Buffer seed{std::istreambuf_iterator<char>(stream), {}};
    CHECK((decodes<Message>(seed) || decodes<report::Entry>(seed) || decodes<mesh::Profile>(seed) ||
           decodes<mesh::LogBatch>(seed) || decodes<mesh::Envelope>(seed)));
  }
}
