#include "report/html.hpp"

#include <catch2/catch.hpp>

using namespace dagz;
using namespace dagz::report;

namespace {

std::string all_bytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

}  // namespace

TEST_CASE("html: no byte leaves its element or its attribute", "[report]") {
  CHECK(html("<b a='1' c=\"2\">&amp;") == "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
  for (const std::string& text : {html(all_bytes()), html_lines(all_bytes())}) {
    CHECK(text.find_first_of("<>\"'") == std::string::npos);
    CHECK(text.find('\0') == std::string::npos);
  }
}

TEST_CASE("html: lines stay only where they are meant to", "[report]") {
  CHECK(html("a\nb\x1b[31m") == "a\\x0ab\\x1b[31m");
  CHECK(html_lines("a\r\nb\t\x1b[31mred\x1b[0m\x07") == "a\nb\tred\\x07");
  CHECK(html("caf\xc3\xa9 \xff") == "café \\xff");
}

TEST_CASE("html: every byte comes back from a URL", "[report]") {
  const std::string encoded = percent_encode(all_bytes());
  CHECK(encoded.find_first_of("/?&=+# \"<>") == std::string::npos);
  CHECK(percent_decode(encoded, false) == all_bytes());
  CHECK(percent_decode(encoded, true) == all_bytes());
  CHECK(percent_encode("t/a.py::x[é]") == "t%2Fa.py%3A%3Ax%5B%C3%A9%5D");
}

TEST_CASE("html: a plus is a space in forms only", "[report]") {
  CHECK(percent_decode("a+b%2B", true) == "a b+");
  CHECK(percent_decode("a+b%2B", false) == "a+b+");
}

TEST_CASE("html: half an escape is none", "[report]") {
  for (const char* text : {"%", "%4", "a%4", "%zz", "%4g", "%%41"}) {
    INFO(text);
    CHECK_FALSE(percent_decode(text, true));
  }
  CHECK(percent_decode("%4a", false) == "J");
}

TEST_CASE("html: browsers follow http and https only", "[report]") {
  CHECK(web_link("https://ci/job?x=1#l") == "https://ci/job?x=1#l");
  CHECK(web_link("http://ci") == "http://ci");
  for (const char* url : {"", "javascript:alert(1)", "https://", "ftp://x", "data:text/html,x",
                          "https://a b", "https://a\nb", "https://caf\xc3\xa9", " https://a"}) {
    INFO(url);
    CHECK_FALSE(web_link(url));
  }
}
