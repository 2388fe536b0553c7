#include "libs/wire/http.h"

#include <httplib.h>

#include <atomic>
#include <thread>
#include <utility>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr int kThreads = 4;
constexpr int kTimeoutSeconds = 5;
constexpr size_t kMaxRequestBytes = 8 << 10;
constexpr char kText[] = "text/plain; charset=utf-8";

// The library would share the port with whoever else listens on it.
void SetSocketOptions(int socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

httplib::Server::HandlerResponse RefuseOtherMethods(const httplib::Request& request,
                                                    httplib::Response& response) {
  if (request.method == "GET" || request.method == "HEAD") {
    return httplib::Server::HandlerResponse::Unhandled;
  }
  response.status = 405;
  response.set_header("Allow", "GET");
  response.set_content("only GET is answered here\n", kText);
  return httplib::Server::HandlerResponse::Handled;
}

void Say(httplib::Response& response, bool good, const char* yes, const char* no) {
  response.status = good ? 200 : 503;
  response.set_content(good ? yes : no, kText);
}

}  // namespace

struct HttpServer::Impl {
  HttpHandlers handlers;
  httplib::Server server;
  int port = 0;
  std::atomic<bool> ended = false;
  std::thread thread;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  impl_->server.stop();
  impl_->thread.join();
}

int HttpServer::port() const { return impl_->port; }

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Endpoint& listen,
                                                              HttpHandlers handlers) {
  auto impl = std::make_unique<Impl>();
  impl->handlers = std::move(handlers);
  httplib::Server& server = impl->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_socket_options(SetSocketOptions);
  server.set_pre_routing_handler(RefuseOtherMethods);
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.set_keep_alive_timeout(kTimeoutSeconds);
  server.set_payload_max_length(kMaxRequestBytes);
  const HttpHandlers& answers = impl->handlers;
  server.Get("/metrics", [&answers](const httplib::Request&, httplib::Response& response) {
    response.set_content(answers.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz", [&answers](const httplib::Request&, httplib::Response& response) {
    Say(response, answers.healthy(), "ok\n", "the store has failed\n");
  });
  server.Get("/readyz", [&answers](const httplib::Request&, httplib::Response& response) {
    Say(response, answers.ready(), "serving\n", "not serving\n");
  });
  impl->port = listen.port;
  if (listen.port == 0) {
    impl->port = server.bind_to_any_port(listen.host);
  } else if (!server.bind_to_port(listen.host, listen.port)) {
    impl->port = -1;
  }
  if (impl->port < 0) {
    return Unavailable(
        "cannot listen for HTTP on {}: the address is in use or not this host's; choose another "
        "with --http, or --http off",
        listen.ToString());
  }
  impl->thread = std::thread([&server, &ended = impl->ended] {
    server.listen_after_bind();
    ended = true;
  });
  // A stop before it runs would be lost.
  while (!server.is_running() && !impl->ended) std::this_thread::yield();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace filesync
