#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "report/http.hpp"

// An HTTP/1.1 server over libevent: one thread, requests are answered one after the other. Bodies
// of requests, long headers and silent clients are refused by the library before anybody is asked.
// The process ignores SIGPIPE from then on: browsers hang up when they like.

namespace dagz::report {

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  explicit HttpServer(Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Once. `host` is an address or a name without brackets; port 0: chosen by the system. Empty, or
  // what is wrong, as the end of a sentence: "is in use".
  std::string listen(const std::string& host, uint16_t port);
  uint16_t port() const;

  // Answers until `descriptor` is readable.
  void run_until(int descriptor);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dagz::report
