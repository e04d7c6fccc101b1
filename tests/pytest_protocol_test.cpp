#include "sched/runners/pytest_protocol.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <variant>
#include <vector>

#include "sched/runners/json_scanner.hpp"

// The driver's lines: what each means, that ids keep their bytes, and that no line is dangerous.

namespace {

using namespace dagz;
using namespace dagz::sched;

template <class Message>
Message decode_as(const std::string& line) {
  DriverMessage message = decode_driver_line(line);
  if (auto* bad = std::get_if<BadLine>(&message)) UNSCOPED_INFO(line << ": " << bad->why);
  REQUIRE(std::holds_alternative<Message>(message));
  return std::get<Message>(std::move(message));
}

bool is_bad(const std::string& line) {
  return std::holds_alternative<BadLine>(decode_driver_line(line));
}

std::string decoded_string(const std::string& json) {
  JsonScanner in(json);
  std::string out;
  in.read(out);
  REQUIRE(in.finish());
  return out;
}

std::string encoded_string(const std::string& bytes) {
  std::string out;
  append_json_string(out, bytes);
  return out;
}

}  // namespace

TEST_CASE("pytest protocol: hello of the zygote and of a worker", "[sched]") {
  const auto zygote = decode_as<ZygoteHello>(
      R"({"t":"hello","v":1,"role":"zygote","pid":12,"python":"3.11.2","pytest":"7.2.1",)"
      R"("rootdir":"/x","notes":["a","b"]})");
  CHECK(zygote.pid == 12);
  CHECK(zygote.python == "3.11.2");
  CHECK(zygote.pytest == "7.2.1");
  CHECK(zygote.rootdir == "/x");
  CHECK(zygote.notes == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(zygote.arguments);
  const auto told =
      decode_as<ZygoteHello>(R"({"t":"hello","v":1,"role":"zygote","pid":12,"arguments":)"
                             R"({"all":["-x","t"],"options":["-x"],"new":[1],"to_root":"../"}})");
  REQUIRE(told.arguments);
  CHECK(told.arguments->all == std::vector<std::string>{"-x", "t"});
  CHECK(told.arguments->options == std::vector<std::string>{"-x"});
  CHECK(told.arguments->to_root == "../");
  const std::string much(kArgumentsBytesMax + 1, 'x');
  CHECK_FALSE(decode_as<ZygoteHello>(R"({"t":"hello","v":1,"role":"zygote","pid":12,"arguments":)"
                                     R"({"all":[")" +
                                     much + R"("],"options":[]}})")
                  .arguments);
  const auto worker =
      decode_as<WorkerHello>(R"({"t":"hello","v":1,"role":"worker","slot":3,"pid":9})");
  CHECK(worker.slot == 3);
  CHECK(worker.pid == 9);
}

TEST_CASE("pytest protocol: another version is refused by name", "[sched]") {
  const auto bad = decode_as<BadLine>(R"({"t":"hello","v":2,"role":"zygote","pid":12})");
  CHECK(bad.why == "the driver speaks version 2 of the protocol, dagz speaks 1");
}

TEST_CASE("pytest protocol: a file of the catalog", "[sched]") {
  const auto file = decode_as<FilePart>(
      R"({"t": "file", "f": 7, "path": "t/a.py", "ids": ["t/a.py::x", "t/a.py::y"],)"
      R"( "groups": {"db": [0, 1], "other": []}, "more": true})");
  CHECK(file.file == 7);
  CHECK(file.path == "t/a.py");
  CHECK(file.ids == std::vector<std::string>{"t/a.py::x", "t/a.py::y"});
  REQUIRE(file.groups.size() == 2);
  CHECK(file.groups[0].name == "db");
  CHECK(file.groups[0].indexes == std::vector<uint32_t>{0, 1});
  CHECK(file.more);
}

TEST_CASE("pytest protocol: what marks ask for", "[sched]") {
  const auto file = decode_as<FilePart>(
      R"({"t":"file","f":0,"path":"a.py","ids":["a","b"],"needs":[)"
      R"({"exclusive":true,"weight":2,"mutex":"db","times":50,"k":[0,1],"new":{}},{"k":[1]}]})");
  REQUIRE(file.requirements.size() == 2);
  CHECK(file.requirements[0].exclusive);
  CHECK(file.requirements[0].weight == 2);
  CHECK(file.requirements[0].mutex == "db");
  CHECK(file.requirements[0].times_usual == 50);
  CHECK(file.requirements[0].indexes == std::vector<uint32_t>{0, 1});
  CHECK_FALSE(file.requirements[1].exclusive);
  CHECK(file.requirements[1].weight == 1);
  CHECK(file.requirements[1].times_usual == 1);
  for (const char* times : {"0", "1001", "-1", "1.5"}) {
    INFO(times);
    decode_as<BadLine>(
        std::string(R"({"t":"file","f":0,"path":"a.py","ids":["a"],"needs":[{"k":[0],"times":)") +
        times + "}]}");
  }
}

TEST_CASE("pytest protocol: what a test recorded", "[sched]") {
  const auto line = [](const std::string& properties) {
    return R"({"t":"done","f":0,"k":1,"o":"passed","d":0.1,"p":[)" + properties + "]}";
  };
  CHECK(decode_as<DoneLine>(line(R"(["a","1"],["b\n",""])")).properties ==
        report::Properties{{"a", "1"}, {"b\n", ""}});
  CHECK(decode_as<DoneLine>(line(R"(["a","1","testsuite"])")).properties ==
        report::Properties{{"a", "1", true}});
  CHECK(decode_as<DoneLine>(line("")).properties.empty());
  std::string many = R"(["a","1"])";
  for (std::size_t i = 0; i < report::kPropertiesMax; ++i) many += R"(,["a","1"])";
  for (const std::string& bad : {std::string(R"(["a"])"), std::string(R"(["a","b","c"])"),
                                 std::string(R"(["a",1])"), many}) {
    INFO(bad);
    CHECK(std::holds_alternative<BadLine>(decode_driver_line(line(bad))));
  }
}

TEST_CASE("pytest protocol: the end of the collection", "[sched]") {
  const auto collected = decode_as<Collected>(
      R"({"t":"collected","files":2,"tests":30,"skipped":5,"seconds":1.5,"maxfail":1,)"
      R"("threads":2,"notes":["a line"],"replay":false,"errors":[{"path":"b.py","text":"E1"},{"path":"c.py","text":""}]})");
  CHECK(collected.files == 2);
  CHECK(collected.tests == 30);
  CHECK(collected.skipped == 5);
  CHECK(collected.took == Duration::milliseconds(1'500));
  CHECK(collected.max_fail == 1);
  CHECK(collected.threads == 2);
  CHECK(collected.notes == std::vector<std::string>{"a line"});
  REQUIRE(collected.errors.size() == 2);
  CHECK(collected.errors[0].path == "b.py");
  CHECK(collected.errors[0].text == "E1");
}

TEST_CASE("pytest protocol: a finished test, with absent fields as zero", "[sched]") {
  const auto failed = decode_as<DoneLine>(
      R"({"t":"done","f":1,"k":2,"o":"failed","d":0.25,"s":0.125,"g":1e-3,"c":2,)"
      R"("m":"assert 1 == 2\nmore","x":"long\ntext"})");
  CHECK(failed.test == LocalTest{1, 2});
  CHECK(failed.outcome == report::Outcome::kFailed);
  CHECK(failed.duration == Duration::milliseconds(250));
  CHECK(failed.shared_setup == Duration::milliseconds(125));
  CHECK(failed.group_setup == Duration::milliseconds(1));
  CHECK(failed.cpu == Duration::seconds(2));
  CHECK(failed.message == "assert 1 == 2");
  CHECK(failed.output == "long\ntext");

  const auto passed = decode_as<DoneLine>(R"({"t":"done","f":0,"k":0,"o":"passed"})");
  CHECK(passed.duration == Duration{});
  CHECK(passed.message.empty());
  for (const char* name : {"error", "skipped", "xfailed", "xpassed"}) {
    const auto done =
        decode_as<DoneLine>(std::string(R"({"t":"done","f":0,"k":0,"o":")") + name + "\"}");
    CHECK(report::to_string(done.outcome) == name);
  }
}

TEST_CASE("pytest protocol: durations stay within their bounds", "[sched]") {
  auto duration = [](const std::string& number) {
    return decode_as<DoneLine>(R"({"t":"done","f":0,"k":0,"o":"passed","d":)" + number + "}")
        .duration;
  };
  CHECK(duration("-3.5") == Duration{});
  CHECK(duration("1e300") == kTestDurationMax);
  CHECK(is_bad(R"({"t":"done","f":0,"k":0,"o":"passed","d":NaN})"));
  CHECK(is_bad(R"({"t":"done","f":0,"k":0,"o":"passed","d":inf})"));
  CHECK(is_bad(R"({"t":"done","f":0,"k":0,"o":"passed","d":1e999})"));
}

TEST_CASE("pytest protocol: the small messages", "[sched]") {
  decode_as<WantLine>(R"({"t":"want"})");
  decode_as<ByeLine>(R"({"t":"bye"})");
  decode_as<CancelledLine>(R"({"t":"cancelled"})");
  const auto request =
      decode_as<ExitRequestLine>(R"({"t":"exit_requested","reason":"stop","status":1})");
  CHECK((request.reason == "stop" && request.status == 1));
  CHECK(decode_as<CollectingLine>(R"({"t":"collecting","text":"a.py"})").path == "a.py");
  CHECK(decode_as<ZygoteFailed>(R"({"t":"failed","text":"why"})").text == "why");
  CHECK(decode_as<ZygoteFinished>(R"({"t":"finished","status":5})").status == 5);
  const auto forked = decode_as<WorkerForked>(R"({"t":"forked","slot":1,"pid":77})");
  CHECK(forked.slot == 1);
  CHECK(forked.pid == 77);
  const auto exited = decode_as<WorkerExited>(R"({"t":"exit","slot":1,"pid":77,"status":139})");
  CHECK(exited.status == 139);
  const auto unborn =
      decode_as<WorkerExited>(R"({"t":"exit","slot":1,"pid":0,"status":768,"text":"cannot fork"})");
  CHECK(unborn.pid == 0);
  CHECK(unborn.text == "cannot fork");
}

TEST_CASE("pytest protocol: unknown fields are ignored, whatever they hold", "[sched]") {
  decode_as<WantLine>(
      R"({"t":"want","new":{"a":[1,-2.5e3,null,true,false,"\"]}"],"b":{}},"other":[[],[[]]]})");
}

TEST_CASE("pytest protocol: what is no message is refused", "[sched]") {
  const std::vector<std::string> lines = {
      "",
      "{",
      "{}",
      "[]",
      "null",
      "hello",
      R"({"t":"want")",
      R"({"t":"want"}})",
      R"({"t":"want"} x)",
      R"({"t":"want",})",
      R"({"t":"want" "a":1})",
      R"({"t":5})",
      R"({"t":"unknown"})",
      R"({"f":1,"t":"want"})",
      R"({"t":"done","f":0,"k":0,"o":"crashed"})",
      R"({"t":"done","f":0,"k":0})",
      R"({"t":"done","k":0,"o":"passed"})",
      R"({"t":"done","f":-1,"k":0,"o":"passed"})",
      R"({"t":"done","f":1.5,"k":0,"o":"passed"})",
      R"({"t":"done","f":4294967295,"k":0,"o":"passed"})",
      R"({"t":"done","f":0,"k":4294967294,"o":"passed"})",
      R"({"t":"done","f":0,"k":1000000,"o":"passed"})",
      R"({"t":"missing","f":0,"k":4294967294})",
      R"({"t":"done","f":99999999999999999999,"k":0,"o":"passed"})",
      R"({"t":"done","f":"1","k":0,"o":"passed"})",
      R"({"t":"done","f":0,"k":0,"o":"passed","m":"\q"})",
      R"({"t":"done","f":0,"k":0,"o":"passed","m":"\u12"})",
      R"({"t":"done","f":0,"k":0,"o":"passed","m":"\u+123"})",
      "{\"t\":\"done\",\"f\":0,\"k\":0,\"o\":\"passed\",\"m\":\"a\tb\"}",
      R"({"t":"hello","v":1,"role":"worker","pid":1})",
      R"({"t":"hello","v":1,"role":"worker","slot":4096,"pid":1})",
      R"({"t":"hello","v":1,"role":"zygote"})",
      R"({"t":"forked","slot":1})",
      R"({"t":"exit","slot":1,"pid":0,"status":0})",
      R"({"t":"file","path":"a","ids":[]})",
      R"({"t":"file","f":0,"ids":[1]})",
      R"({"t":"file","f":0,"groups":{"a":[-1]}})",
      R"({"t":"file","f":0,"needs":[{"weight":0,"k":[0]}]})",
      R"({"t":"file","f":0,"needs":[{"weight":4294967296,"k":[0]}]})",
      R"({"t":"file","f":0,"needs":[[0]]})",
  };
  for (const std::string& line : lines) {
    INFO(line);
    CHECK(is_bad(line));
  }
}

TEST_CASE("pytest protocol: every prefix of a line is refused", "[sched]") {
  const std::string line =
      R"({"t":"file","f":7,"path":"\ud83d\ude00\udc80","ids":["a"],"groups":{"g":[0]},"z":[null,1e3]})";
  for (std::size_t n = 0; n < line.size(); ++n) CHECK(is_bad(line.substr(0, n)));
  CHECK_FALSE(is_bad(line));
}

TEST_CASE("pytest protocol: depth, counts and length have bounds", "[sched]") {
  CHECK(is_bad(R"({"t":"want","x":)" + std::string(100'000, '[')));
  CHECK(is_bad(R"({"t":"want","x":)" + std::string(20, '[') + std::string(20, ']') + "}"));
  std::string ids = R"({"t":"file","f":0,"ids":[)";
  for (std::size_t i = 0; i < kIdsPerLineMax; ++i) ids += "\"\",";
  CHECK(is_bad(ids + "\"\"]}"));
  CHECK(is_bad(R"({"t":"want","x":")" + std::string(kZygoteLineMax, 'x') + "\"}"));
}

TEST_CASE("pytest protocol: ids keep their bytes in both directions", "[sched]") {
  struct Row {
    std::string json;
    std::string bytes;
  };
  const std::vector<Row> rows = {
      {R"("plain")", "plain"},
      {R"("\"\\\/\b\f\n\r\t\u0000")", std::string("\"\\/\b\f\n\r\t\0", 9)},
      {R"("\u00e9\u20ac")", "\xC3\xA9\xE2\x82\xAC"},
      {R"("\ud83d\ude00")", "\xF0\x9F\x98\x80"},
      {R"("a\udc80b\udcff")",
       "a\x80"
       "b\xFF"},                        // surrogateescape
      {R"("\ud800")", "\xED\xA0\x80"},  // other lone surrogates
      {R"("\udfff-\udc7f")", "\xED\xBF\xBF-\xED\xB1\xBF"},
      {R"("\ud83d\ud83d\ude00")", "\xED\xA0\xBD\xF0\x9F\x98\x80"},
      {R"("\ud83dx")", "\xED\xA0\xBDx"},
      {R"("\ud83d\n")", "\xED\xA0\xBD\n"},
      {R"("\udced\udcb2\udc80")", "\xED\xB2\x80"},  // raw bytes, never a surrogate
  };
  for (const Row& row : rows) {
    INFO(row.json);
    CHECK(decoded_string(row.json) == row.bytes);
    CHECK(decoded_string(encoded_string(row.bytes)) == row.bytes);
  }
  CHECK(encoded_string("a\x80") == R"("a\udc80")");
  CHECK(encoded_string("\xED\xA0\x80") == R"("\ud800")");
  CHECK(encoded_string("\xED\xB2\x80") == R"("\udced\udcb2\udc80")");
  CHECK(encoded_string("\xC3\xA9") == "\"\xC3\xA9\"");
  // A high surrogate before what would read as a low one is written as raw bytes.
  for (const char* bytes : {"\xED\xA0\xBD\xED\xB8\x80", "\xED\xA0\xBD\x80", "\xED\xA0\xBD\xED"}) {
    CHECK(decoded_string(encoded_string(bytes)) == bytes);
  }
  // Overlong, too large, cut: single bytes to Python, too.
  CHECK(encoded_string("\xC0\x80\xF4\x90\x80\x80\xE2\x82") ==
        R"("\udcc0\udc80\udcf4\udc90\udc80\udc80\udce2\udc82")");
}

TEST_CASE("pytest protocol: the agent's messages", "[sched]") {
  CHECK(encode_fork({2, 5, "/tmp/l\"og", "/tmp/t", {{"A", "1"}, {"B", "x\xFF"}}}) ==
        "{\"t\":\"fork\",\"slot\":2,\"number\":5,\"log\":\"/tmp/l\\\"og\",\"tickets\":\"/tmp/"
        "t\",\"env\":{"
        "\"A\":\"1\",\"B\":\"x\\udcff\"}}\n");
  CHECK(encode_fork({0, 0, "", "", {}}) ==
        "{\"t\":\"fork\",\"slot\":0,\"number\":0,\"log\":\"\",\"tickets\":\"\",\"env\":{}}\n");
  const std::vector<RunOrder> orders = {{{0, 1}}, {{2, 3}, 2}};
  CHECK(encode_run(orders) == "{\"t\":\"run\",\"tests\":[[0,1],[2,3,2]]}\n");
  const RunTests::Name name{5, "b.py::t\"1"};
  const std::vector<RunOrder> shared = {
      {{4, kCollectFile}, 1, &name}, {{5, kCollectAgain}, 1, &name}, {{9, 1}, 1, &name}};
  CHECK(encode_run(shared) ==
        "{\"t\":\"run\",\"tests\":[[4],[5,-1],[9,1,1,5,\"b.py::t\\\"1\"]]}\n");
  CHECK(encode_run({}) == "{\"t\":\"run\",\"tests\":[]}\n");
  CHECK(encode_drain() == "{\"t\":\"drain\"}\n");
  CHECK(encode_job("a\"b") == "{\"t\":\"job\",\"name\":\"a\\\"b\"}\n");
  CHECK(encode_finish({{"a.py::x", "b\n"}, {}, false, 7}) ==
        "{\"t\":\"finish\",\"tests\":7,\"failed\":[\"a.py::x\",\"b\\u000a\"]}\n");
  CHECK(encode_finish({{"a.py::x"}, {"c", "d"}, false, 7}) ==
        "{\"t\":\"finish\",\"tests\":7,\"failed\":[\"a.py::x\"],\"unfinished\":[\"c\",\"d\"]}\n");
  CHECK(encode_finish({{}, {}, false, 0, false}) ==
        "{\"t\":\"finish\",\"tests\":0,\"failed\":[],\"ran\":false}\n");
  CHECK(encode_finish({{}, {}, false, 3, true, "a\"b", 17, 2}) ==
        "{\"t\":\"finish\",\"tests\":3,\"failed\":[],\"job\":\"a\\\"b\",\"began\":17,"
        "\"elsewhere\":2}\n");
}

TEST_CASE("pytest protocol: files that are found, then collected by workers", "[sched]") {
  const auto found = std::get<FoundPart>(
      decode_driver_line(R"({"t":"found","files":[["a.py",12],["b.py",0,"x"],["c.py"]]})"));
  REQUIRE(found.files.size() == 3);
  CHECK((found.files[0].path == "a.py" && found.files[0].bytes == 12));
  CHECK((found.files[2].path == "c.py" && found.files[2].bytes == 0));
  for (const char* bad : {R"({"t":"found","files":[["a.py",-1]]})",
                          R"({"t":"found","files":["a"]})", R"({"t":"filed","seconds":1})",
                          R"({"t":"missing","f":1})", R"({"t":"missing","f":1,"k":4294967295})"}) {
    CHECK(std::holds_alternative<BadLine>(decode_driver_line(bad)));
  }
  const auto filed = std::get<FiledLine>(decode_driver_line(
      R"({"t":"filed","f":3,"seconds":0.25,"errors":[{"path":"a.py","text":"E"}]})"));
  CHECK((filed.file == 3 && filed.took == Duration::milliseconds(250)));
  REQUIRE(filed.errors.size() == 1);
  CHECK(filed.errors[0].text == "E");
  CHECK(std::get<MissingLine>(decode_driver_line(R"({"t":"missing","f":1,"k":2})")).test ==
        LocalTest{1, 2});
  const auto collected = std::get<Collected>(
      decode_driver_line(R"({"t":"collected","files":2,"shared":true,"why":"2 files"})"));
  CHECK((collected.shared && collected.why == "2 files"));
}
