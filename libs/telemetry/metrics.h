// Metrics: counters, gauges and histograms in Prometheus' sense, without its headers.
//
// Every metric's name, help and labels stand in metric_names.h. Labels never hold paths.
// Thread-safe; instruments live as long as their registry.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace filesync {

struct MetricDefinition {
  const char* name;
  const char* help;
};
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Increment(double by = 1) = 0;
  virtual double Value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double by) = 0;
  virtual double Value() const = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

class MetricsRegistry {
 public:
  MetricsRegistry();
  ~MetricsRegistry();

  // The same definition and labels give the same instrument.
  Counter& AddCounter(const MetricDefinition& definition, const MetricLabels& labels = {});
  Gauge& AddGauge(const MetricDefinition& definition, const MetricLabels& labels = {});
  // `bounds`: upper bounds of the buckets, ascending.
  Histogram& AddHistogram(const MetricDefinition& definition, const std::vector<double>& bounds,
                          const MetricLabels& labels = {});
  // Called just before each Serialize, to set gauges that are looked up rather than kept.
  void BeforeSerialize(std::function<void()> refresh);

  // Prometheus text format 0.0.4, process_* metrics included.
  std::string Serialize();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace filesync
