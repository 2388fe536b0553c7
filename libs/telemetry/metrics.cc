#include "libs/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/proc.h"

namespace filesync {
namespace {

class PrometheusCounter final : public Counter {
 public:
  explicit PrometheusCounter(prometheus::Counter* counter) : counter_(counter) {}
  void Increment(double by) override { counter_->Increment(by); }
  double Value() const override { return counter_->Value(); }

 private:
  prometheus::Counter* const counter_;
};

class PrometheusGauge final : public Gauge {
 public:
  explicit PrometheusGauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  void Set(double value) override { gauge_->Set(value); }
  void Add(double by) override { gauge_->Increment(by); }
  double Value() const override { return gauge_->Value(); }

 private:
  prometheus::Gauge* const gauge_;
};

class PrometheusHistogram final : public Histogram {
 public:
  explicit PrometheusHistogram(prometheus::Histogram* histogram) : histogram_(histogram) {}
  void Observe(double value) override { histogram_->Observe(value); }

 private:
  prometheus::Histogram* const histogram_;
};

prometheus::Labels ToPrometheus(const MetricLabels& labels) {
  return {labels.begin(), labels.end()};
}

prometheus::MetricFamily ProcessMetric(const char* name, const char* help,
                                       prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {name, help, type, {metric}};
}

void AppendProcessMetrics(std::vector<prometheus::MetricFamily>& families) {
  using prometheus::MetricType;
  const ProcessFigures figures = ReadProcessFigures();
  families.push_back(ProcessMetric("process_cpu_seconds_total", "User and system time used",
                                   MetricType::Counter, figures.cpu_seconds));
  families.push_back(ProcessMetric("process_resident_memory_bytes", "Resident memory",
                                   MetricType::Gauge, static_cast<double>(figures.resident_bytes)));
  families.push_back(ProcessMetric("process_virtual_memory_bytes", "Virtual memory",
                                   MetricType::Gauge, static_cast<double>(figures.virtual_bytes)));
  families.push_back(ProcessMetric("process_open_fds", "Open file descriptors", MetricType::Gauge,
                                   static_cast<double>(figures.open_fds)));
  families.push_back(ProcessMetric("process_max_fds", "Limit of open file descriptors",
                                   MetricType::Gauge, static_cast<double>(figures.max_fds)));
  families.push_back(ProcessMetric("process_start_time_seconds", "Start, since the Unix epoch",
                                   MetricType::Gauge, figures.start_time_seconds));
}

}  // namespace

struct MetricsRegistry::Impl {
  template <typename Interface>
  using Instruments = std::map<std::pair<std::string, MetricLabels>, std::unique_ptr<Interface>>;

  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  absl::Mutex mutex;
  Instruments<Counter> counters ABSL_GUARDED_BY(mutex);
  Instruments<Gauge> gauges ABSL_GUARDED_BY(mutex);
  Instruments<Histogram> histograms ABSL_GUARDED_BY(mutex);
  std::vector<std::function<void()>> refreshes ABSL_GUARDED_BY(mutex);
};

MetricsRegistry::MetricsRegistry() : impl_(std::make_unique<Impl>()) {}
MetricsRegistry::~MetricsRegistry() = default;

Counter& MetricsRegistry::AddCounter(const MetricDefinition& definition,
                                     const MetricLabels& labels) {
  absl::MutexLock lock(&impl_->mutex);
  std::unique_ptr<Counter>& counter = impl_->counters[{definition.name, labels}];
  if (counter == nullptr) {
    auto& family = prometheus::BuildCounter()
                       .Name(definition.name)
                       .Help(definition.help)
                       .Register(impl_->registry);
    counter = std::make_unique<PrometheusCounter>(&family.Add(ToPrometheus(labels)));
  }
  return *counter;
}

Gauge& MetricsRegistry::AddGauge(const MetricDefinition& definition, const MetricLabels& labels) {
  absl::MutexLock lock(&impl_->mutex);
  std::unique_ptr<Gauge>& gauge = impl_->gauges[{definition.name, labels}];
  if (gauge == nullptr) {
    auto& family = prometheus::BuildGauge()
                       .Name(definition.name)
                       .Help(definition.help)
                       .Register(impl_->registry);
    gauge = std::make_unique<PrometheusGauge>(&family.Add(ToPrometheus(labels)));
  }
  return *gauge;
}

Histogram& MetricsRegistry::AddHistogram(const MetricDefinition& definition,
                                         const std::vector<double>& bounds,
                                         const MetricLabels& labels) {
  absl::MutexLock lock(&impl_->mutex);
  std::unique_ptr<Histogram>& histogram = impl_->histograms[{definition.name, labels}];
  if (histogram == nullptr) {
    auto& family = prometheus::BuildHistogram()
                       .Name(definition.name)
                       .Help(definition.help)
                       .Register(impl_->registry);
    histogram = std::make_unique<PrometheusHistogram>(
        &family.Add(ToPrometheus(labels), prometheus::Histogram::BucketBoundaries(bounds)));
  }
  return *histogram;
}

void MetricsRegistry::BeforeSerialize(std::function<void()> refresh) {
  absl::MutexLock lock(&impl_->mutex);
  impl_->refreshes.push_back(std::move(refresh));
}

std::string MetricsRegistry::Serialize() {
  std::vector<std::function<void()>> refreshes;
  {
    absl::MutexLock lock(&impl_->mutex);
    refreshes = impl_->refreshes;
  }
  for (const auto& refresh : refreshes) refresh();
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  AppendProcessMetrics(families);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace filesync
