#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the dashboard sees of HTTP.

namespace dagz::report {

struct HttpRequest {
  std::string method;
  std::string target;  // path and query, as sent
  std::string host;    // the Host header, with its port; empty when there was none
};

struct HttpResponse {
  int status = 200;
  std::string type;  // the Content-Type
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // all others
};

inline std::string_view http_reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 302:
      return "Found";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Error";
  }
}

}  // namespace dagz::report
