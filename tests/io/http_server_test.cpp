#include "report/io/http_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace dagz::report;
using namespace std::string_literals;

namespace {

// The server on a thread of its own, as long as this lives.
class Running {
 public:
  explicit Running(HttpServer::Handler handler) : server_(std::move(handler)) {
    REQUIRE(server_.listen("127.0.0.1", 0).empty());
    thread_ = std::thread([this] { server_.run_until(stop_); });
  }
  ~Running() {
    eventfd_write(stop_, 1);
    thread_.join();
    close(stop_);
  }
  uint16_t port() const { return server_.port(); }

  int connected() const {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port());
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    REQUIRE(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return client;
  }

  // Everything that comes back until the server hangs up.
  std::string say(const std::string& request) const {
    const int client = connected();
    std::size_t sent = 0;
    while (sent < request.size()) {
      const auto step = send(client, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (step <= 0) break;
      sent += static_cast<std::size_t>(step);
    }
    std::string answer;
    char part[4096];
    for (ssize_t n = 0; (n = read(client, part, sizeof part)) > 0;) {
      answer.append(part, static_cast<std::size_t>(n));
    }
    close(client);
    return answer;
  }

  std::string get(const std::string& target, const std::string& method = "GET") const {
    return say(method + " " + target + " HTTP/1.1\r\nHost: here:1\r\nConnection: close\r\n\r\n");
  }

 private:
  HttpServer server_;
  int stop_ = eventfd(0, EFD_CLOEXEC);
  std::thread thread_;
};

HttpResponse echo(const HttpRequest& request) {
  return {200, "text/plain", request.method + " " + request.target + " " + request.host, {}};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("http server: a request is answered as the handler says", "[http]") {
  const Running server([](const HttpRequest& request) {
    HttpResponse response = echo(request);
    response.status = 404;
    response.headers = {{"X-Test", "yes"}, {"X-Bad", "a\r\nX-Injected: 1"}};
    return response;
  });
  const std::string answer = server.get("/a%20b?c=%00&d");
  CHECK(answer.starts_with("HTTP/1.1 404 Not Found\r\n"));
  CHECK(has(answer, "\r\nX-Test: yes\r\n"));
  CHECK_FALSE(has(answer, "X-Injected"));
  CHECK(has(answer, "\r\nContent-Type: text/plain\r\n"));
  CHECK(answer.ends_with("\r\n\r\nGET /a%20b?c=%00&d here:1"));
}

TEST_CASE("http server: HEAD is told the length and nothing else", "[http]") {
  const Running server(echo);
  const std::string answer = server.get("/x", "HEAD");
  CHECK(answer.ends_with("\r\n\r\n"));
  CHECK(has(answer, "\r\nContent-Length: 14\r\n"));
}

TEST_CASE("http server: methods that change things reach the handler under another name",
          "[http]") {
  const Running server(echo);
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    INFO(method);
    CHECK(has(server.get("/x", method), "another /x"));
  }
}

TEST_CASE("http server: garbage, floods and bodies are refused, and it lives on", "[http]") {
  const Running server(echo);
  const std::string head = " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n";
  for (const std::string& request :
       {"\x16\x03\x01\x02\x00\x01\r\n\r\n"s, "GET\r\n\r\n"s,
        "GET /" + std::string(100'000, 'a') + head + "\r\n",
        "GET /" + head + "X: " + std::string(100'000, 'a') + "\r\n\r\n",
        "POST /" + head + "Content-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'a')}) {
    CHECK_FALSE(server.say(request).starts_with("HTTP/1.1 200"));
  }
  CHECK(has(server.get("/still-here"), "GET /still-here"));
}

TEST_CASE("http server: a large page arrives whole", "[http]") {
  const std::string large(20'000'000, 'x');
  const Running server([&](const HttpRequest&) {
    return HttpResponse{200, "text/plain", large, {}};
  });
  const std::string answer = server.get("/");
  CHECK(answer.size() > large.size());
  CHECK(answer.compare(answer.size() - large.size(), large.size(), large) == 0);
}

TEST_CASE("http server: a browser that hangs up halfway is no matter", "[http]") {
  const std::string large(20'000'000, 'x');
  const Running server([&](const HttpRequest&) {
    return HttpResponse{200, "text/plain", large, {}};
  });
  const std::string request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 3; ++i) {
    const int client = server.connected();
    REQUIRE(send(client, request.data(), request.size(), MSG_NOSIGNAL) > 0);
    char first = 0;
    CHECK(read(client, &first, 1) == 1);
    // What is unread makes it a reset.
    close(client);
  }
  CHECK(server.get("/").size() > large.size());
}

TEST_CASE("http server: a silent client keeps nobody waiting", "[http]") {
  const Running server(echo);
  const int silent = server.connected();
  REQUIRE(send(silent, "GET /", 5, MSG_NOSIGNAL) == 5);
  CHECK(has(server.get("/now"), "GET /now"));
  close(silent);
}

TEST_CASE("http server: an address that cannot be had is named as such", "[http]") {
  const Running server(echo);
  HttpServer second(echo);
  CHECK(second.listen("127.0.0.1", server.port()) == "is in use");
  CHECK(HttpServer(echo).listen("192.0.2.1", 0) == "is no address of this machine");
}
