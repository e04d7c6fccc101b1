#include "report/text.hpp"

#include <catch2/catch.hpp>

#include "mesh/rng.hpp"
#include "report/calendar.hpp"

// Bytes from hostile tests become text that is safe to print, and dates need no time zone.

using namespace dagz::report;

TEST_CASE("text: what a terminal would obey becomes visible", "[report]") {
  CHECK(visible("plain [é]") == "plain [é]");
  CHECK(visible("a\tb\r\n") == "a\\x09b\\x0d\\x0a");
  CHECK(visible(std::string_view("\0\x7f", 2)) == "\\x00\\x7f");
  CHECK(visible("\xc2\x9b") == "\\xc2\\x9b");
  CHECK(visible("\xe2\x80\xa8") == "\\xe2\\x80\\xa8");
  CHECK(visible("\xc3") == "\\xc3");
  CHECK(visible("\xc0\xaf") == "\\xc0\\xaf");
  CHECK(visible("\xed\xa0\x80") == "\\xed\\xa0\\x80");
  CHECK(visible("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(visible("\xf0\x9f\x98\x80") == "\xf0\x9f\x98\x80");
}

TEST_CASE("text: a traceback comes to its exception", "[report]") {
  CHECK(headline("def f():\n>   g()\nE   KeyError: 1\nE   2\na.py:3: KeyError") == "2");
  CHECK(headline("no traceback\nat all") == "no traceback");
  CHECK(headline("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n"
                 "ValueError: no\n\n(the same for 3 more of this file)") == "ValueError: no");
  CHECK(headline("Traceback (most recent call last):\n") == "Traceback (most recent call last):");
}

TEST_CASE("text: output keeps its lines and loses its colours", "[report]") {
  CHECK(visible_lines("\x1b[1;31mE\x1b[0m\tassert\r\nnext\rline\x1b[2J") ==
        "E\tassert\nnext\\x0dline\\x1b[2J");
}

TEST_CASE("text: whatever the bytes, the result is valid and stays as it is", "[report]") {
  dagz::Rng rng(1);
  for (int round = 0; round < 3'000; ++round) {
    std::string bytes;
    for (uint64_t i = rng.below(40); i > 0; --i) bytes.push_back(static_cast<char>(rng.below(256)));
    const std::string line = visible(bytes);
    CHECK(visible(line) == line);
    CHECK(valid_utf8(line) == line);
    CHECK(line.find('\x1b') == std::string::npos);
    const std::string text = visible_lines(bytes);
    CHECK(visible_lines(text) == text);
    CHECK(valid_utf8(valid_utf8(bytes)) == valid_utf8(bytes));
    CHECK(cut(line, 10).size() <= 10);
    CHECK(valid_utf8(cut(line, 10)) == cut(line, 10));
  }
}

TEST_CASE("text: long texts keep their ends", "[report]") {
  CHECK(cut("abcdef", 6) == "abcdef");
  CHECK(cut("abcdefg", 6) == "abc…");
  CHECK(cut("aé…", 5) == "a…");
  CHECK(head_and_tail("0123456789", 10) == "0123456789");
  CHECK(head_and_tail("01234567890", 4) == "01\n... 7 bytes left out ...\n90");
}

TEST_CASE("text: the first line that says something", "[report]") {
  CHECK(first_line("\n \n  ImportError: x \r\n more") == "ImportError: x");
  CHECK(first_line(" \n\t").empty());
  CHECK(counted(1, "node") == "1 node");
  CHECK(counted(0, "node") == "0 nodes");
}

TEST_CASE("calendar: dates in UTC", "[report]") {
  CHECK(format_timestamp({0}) == "1970-01-01T00:00:00");
  CHECK(format_timestamp({-1}) == "1969-12-31T23:59:59");
  CHECK(format_timestamp({951'782'399'999}) == "2000-02-28T23:59:59");
  CHECK(format_timestamp({951'782'400'000}) == "2000-02-29T00:00:00");
  CHECK(format_timestamp({1'779'012'672'345}) == "2026-05-17T10:11:12");
  CHECK(start_of_day({1'779'012'672'345}).ms == 1'778'976'000'000);
}

TEST_CASE("calendar: short ids name the day and the number", "[report]") {
  CHECK(format_short_id({1'779'012'672'345}, 50) == "j0517.50");
  CHECK(number_of_short_id("j0517.50") == 50);
  for (const char* no : {"", "j0517", "j0517.", "j0517.x", "j0517.5x", "x0517.5", "j517.5"}) {
    CHECK(number_of_short_id(no) == 0);
  }
}
