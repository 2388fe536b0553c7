// HttpServer: the operators' HTTP port: /metrics, /healthz, /readyz. GET only, a few threads,
// small requests. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/wire/channel.h"

namespace filesync {

// Called from the HTTP server's threads.
struct HttpHandlers {
  std::function<std::string()> metrics;  // Prometheus text format
  std::function<bool()> healthy;         // the process works; else it should be restarted
  std::function<bool()> ready;           // it serves agents
};

class HttpServer {
 public:
  // Port 0: any free one. Unavailable when the port cannot be had.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Endpoint& listen,
                                                           HttpHandlers handlers);
  ~HttpServer();
  int port() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace filesync
