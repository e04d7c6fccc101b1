#include "report/io/http_server.hpp"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "report/dashboard_route.hpp"

namespace dagz::report {
namespace {

constexpr int kSilentSeconds = 30;
constexpr ev_ssize_t kHeadersMax = static_cast<ev_ssize_t>(kTargetMax) + 8 * 1024;
constexpr ev_ssize_t kBodyMax = 1024;
// All of them reach the handler, which says which it takes.
constexpr unsigned kMethods = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                              EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH;

template <auto Free>
struct FreeBy {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

std::string method_name(evhttp_cmd_type command) {
  switch (command) {
    case EVHTTP_REQ_GET:
      return "GET";
    case EVHTTP_REQ_HEAD:
      return "HEAD";
    default:
      return "another";
  }
}

HttpRequest read_request(evhttp_request* request) {
  HttpRequest out;
  out.method = method_name(evhttp_request_get_command(request));
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  if (uri != nullptr) {
    const char* path = evhttp_uri_get_path(uri);
    const char* query = evhttp_uri_get_query(uri);
    out.target = path == nullptr || *path == '\0' ? "/" : path;
    if (query != nullptr) out.target += std::string("?") + query;
  }
  const char* host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
  if (host != nullptr) out.host = host;
  return out;
}

void send_response(evhttp_request* request, const HttpResponse& response, bool head) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", response.type.c_str());
  for (const auto& [name, value] : response.headers) {
    evhttp_add_header(headers, name.c_str(), value.c_str());
  }
  evhttp_add_header(headers, "Content-Length", std::to_string(response.body.size()).c_str());
  const std::unique_ptr<evbuffer, FreeBy<evbuffer_free>> body(evbuffer_new());
  if (!head && body) evbuffer_add(body.get(), response.body.data(), response.body.size());
  const std::string reason(http_reason(response.status));
  evhttp_send_reply(request, response.status, reason.c_str(), body.get());
}

std::string explain(int error) {
  switch (error) {
    case EADDRINUSE:
      return "is in use";
    case EADDRNOTAVAIL:
    case 0:
      return "is no address of this machine";
    case EACCES:
      return "may not be used by this user";
    default:
      return std::string("cannot be used: ") + std::strerror(error);
  }
}

uint16_t port_of(evutil_socket_t socket) {
  sockaddr_storage address = {};
  socklen_t length = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

struct HttpServer::Impl {
  explicit Impl(Handler answers)
      : handler(std::move(answers)), base(event_base_new()), http(evhttp_new(base.get())) {}

  static void on_request(evhttp_request* request, void* self) {
    const HttpRequest asked = read_request(request);
    const HttpResponse response = static_cast<Impl*>(self)->handler(asked);
    send_response(request, response, asked.method == "HEAD");
  }

  Handler handler;
  std::unique_ptr<event_base, FreeBy<event_base_free>> base;
  std::unique_ptr<evhttp, FreeBy<evhttp_free>> http;
  uint16_t port = 0;
};

HttpServer::HttpServer(Handler handler) {
  std::signal(SIGPIPE, SIG_IGN);
  event_set_log_callback([](int, const char*) {});
  impl_ = std::make_unique<Impl>(std::move(handler));
  evhttp* http = impl_->http.get();
  evhttp_set_allowed_methods(http, static_cast<ev_uint16_t>(kMethods));
  evhttp_set_max_headers_size(http, kHeadersMax);
  evhttp_set_max_body_size(http, kBodyMax);
  evhttp_set_timeout(http, kSilentSeconds);
  evhttp_set_default_content_type(http, nullptr);
  evhttp_set_gencb(http, &Impl::on_request, impl_.get());
}

HttpServer::~HttpServer() = default;

std::string HttpServer::listen(const std::string& host, uint16_t port) {
  errno = 0;
  evhttp_bound_socket* bound =
      evhttp_bind_socket_with_handle(impl_->http.get(), host.c_str(), port);
  if (bound == nullptr) return explain(errno);
  impl_->port = port_of(evhttp_bound_socket_get_fd(bound));
  return {};
}

uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::run_until(int descriptor) {
  const auto stop = [](evutil_socket_t, short, void* base) {
    event_base_loopbreak(static_cast<event_base*>(base));
  };
  const std::unique_ptr<event, FreeBy<event_free>> stopped(
      event_new(impl_->base.get(), descriptor, EV_READ, stop, impl_->base.get()));
  event_add(stopped.get(), nullptr);
  event_base_dispatch(impl_->base.get());
}

}  // namespace dagz::report
