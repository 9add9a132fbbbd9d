#include "sim/world/executor.hpp"

#include <cmath>
#include <simgrid/s4u.hpp>

#include "base/random.hpp"
#include "sim/world/flow_limit.hpp"
#include "sim/world/network_solver.hpp"
#include "sim/world/simgrid_version.hpp"
#include "sim/world/variation.hpp"

namespace convoy::sim {
namespace sg = simgrid::s4u;

Executor::Executor(const WorldConfig& config, Timers& timers,
                   std::function<void(RunningActivity&)> ended,
                   std::function<void(RunningActivity&)> ended_shared,
                   std::function<void(NodeId, double)> speed_changed)
    : seed_(config.seed),
      timers_(timers),
      platform_(
          config, !choose_solver(config).is_star,
          [this](double time, auto call) { timers_.at(time, std::move(call)); },
          [this](double time, auto call) { timers_.after(time, std::move(call)); }),
      description_(network_text(config)),
      lone_transfers_(config),
      ended_(std::move(ended)),
      ended_shared_(std::move(ended_shared)),
      ends_(timers_),
      speed_changed_(std::move(speed_changed)),
      nodes_(config.nodes.size(), [&config](NodeId id) {
        const NodeConfig& node = config.nodes[id];
        const Variation speed(1, signal_of(node.behaviour, platforms::Column::speed, 1),
                              node.behaviour.load);
        return Node{.slowdown = node.behaviour.slowdown,
                    .jitter = node.behaviour.jitter,
                    .varies = !speed.is_constant(),
                    .constant_speed = speed.is_constant() ? speed.at(0).value : 1,
                    .is_shared = node.concurrent_computes != 1,
                    .processor = nullptr};
      }) {
  if (choose_solver(config).is_star) {
    star_ = std::make_unique<StarTransfers>(config, timers_, ends_, ended_, ended_shared_);
    computes_.emplace(timers_, ends_, ended_shared_);
  }
  on_completion([this](const sg::Activity& activity) {
    if (auto* a = activity.get_data<RunningActivity>()) ended_(*a);
  });
}

void Executor::start(RunningActivity& a) {
  if (a.peer == no_node) {
    start_compute(a);
  } else {
    start_transfer(a);
  }
}

// Random draws depend on the run's seed and the activity's identity, not on its start time.
double Executor::seconds_of(const RunningActivity& a) const {
  const Node& node = nodes_[a.node];
  double seconds = a.what().seconds * node.slowdown;
  if (node.jitter > 0) {
    base::Random random(
        {seed_, static_cast<std::uint64_t>(a.node), static_cast<std::uint64_t>(a.task->id),
         static_cast<std::uint64_t>(a.index), static_cast<std::uint64_t>(a.task->iteration)});
    seconds *= std::exp(node.jitter * random.normal());
  }
  return seconds;
}

double Executor::speed_of(NodeId node) const {
  const Node& n = nodes_[node];
  return n.varies ? platform_.speed(node) : n.constant_speed;
}

double Executor::predicted_s(const RunningActivity& a) const {
  if (a.peer == no_node) {
    const double seconds = a.what().seconds * nodes_[a.node].slowdown;
    return seconds / a.what().most_share();
  }
  return lone_transfers_.seconds(a.node, a.peer, a.what().bytes, a.what().most_bytes_per_s());
}

void Executor::start_shared(RunningActivity& a, double seconds) {
  auto& processor = nodes_[a.node].processor;
  if (!processor) processor = std::make_unique<SharedProcessor>(timers_, ends_, ended_shared_);
  if (nodes_[a.node].varies) {
    platform_.compute_begins(a.node, [this, node = a.node](double speed) {
      nodes_[node].processor->set_speed(speed);
      speed_changed_(node, speed);
    });
  }
  processor->set_speed(speed_of(a.node));
  if (seconds <= 0) {
    ended_(a);
  } else {
    processor->add(a, seconds, a.what().share, a.what().at_least);
  }
}

void Executor::start_compute(RunningActivity& a) {
  const double seconds = seconds_of(a);
  if (nodes_[a.node].is_shared || a.what().share > 0) {
    start_shared(a, seconds);
    return;
  }
  if (nodes_[a.node].varies) {
    platform_.compute_begins(a.node, [this, &a](double speed) {
      a.left_s = left_s(a);
      a.left_at = timers_.now();
      a.speed = speed;
      if (computes_) computes_->changed(a);
      speed_changed_(a.node, speed);
    });
  }
  if (seconds <= 0) {
    ended_(a);
    return;
  }
  a.work_s = seconds;
  a.left_s = seconds;
  a.left_at = timers_.now();
  a.speed = speed_of(a.node);
  if (computes_) {
    computes_->start(a);
    return;
  }
  sg::ExecPtr exec = sg::Exec::init();
  exec->set_flops_amount(seconds * units_per_second);
  exec->set_host(platform_.host(a.node));
  exec->set_data(&a);
  a.handle = exec;
  sim::start(exec);
  if (nodes_[a.node].varies) platform_.compute_started(a.node, exec.get());
}

void Executor::start_transfer(RunningActivity& a) {
  if (a.peer == a.node) {
    ended_(a);
    return;
  }
  if (star_) {
    star_->start(a);
    return;
  }
  sg::CommPtr comm = sg::Comm::sendto_init(platform_.host(a.node), platform_.host(a.peer));
  // SimGrid counts whole bytes.
  comm->set_payload_size(static_cast<std::uint64_t>(std::llround(a.what().bytes)));
  const double limit = a.what().most_bytes_per_s();
  const double guaranteed = a.what().at_least ? a.what().bytes_per_s : 0;
  if (limit > 0) limit_rate(*comm, limit);
  comm->set_data(&a);
  a.handle = comm;
  platform_.transfer_begins(a.node, a.peer, comm.get());
  const double wait = platform_.left_out_latency(a.node, a.peer);
  if (wait <= 0) {
    sim::start(comm);
    platform_.transfer_started(a.node, a.peer, comm.get(), guaranteed);
    return;
  }
  timers_.at(timers_.now() + wait, [this, comm, from = a.node, to = a.peer, guaranteed] {
    const bool given_up = comm->get_data<RunningActivity>() == nullptr;
    if (given_up) return;
    sim::start(comm);
    platform_.transfer_started(from, to, comm.get(), guaranteed);
  });
}

void Executor::end_links_and_host(const RunningActivity& a) {
  if (a.real != 0 && a.measured) return;  // not simulated by SimGrid
  if (a.peer == no_node) {
    const Node& node = nodes_[a.node];
    SharedProcessor* const processor = node.processor.get();
    if (processor != nullptr) processor->remove(a);
    if (computes_) computes_->remove(a);
    if (node.varies && (processor == nullptr || processor->is_empty())) {
      platform_.compute_ends(a.node);
    }
  } else if (star_) {
    star_->remove(a);
  } else if (a.peer != a.node) {
    platform_.transfer_ends(a.node, a.peer, a.handle.get());
  }
}

void Executor::cancel(RunningActivity& a) {
  end_links_and_host(a);
  if (!a.handle) return;
  a.handle->set_data(nullptr);
  if (a.handle->get_state() == sg::Activity::State::STARTED) a.handle->cancel();
  cancelled_.emplace_back(timers_.now(), std::move(a.handle));
}

void Executor::release(RunningActivity& a) {
  end_links_and_host(a);
  if (a.handle) released_.push_back(std::move(a.handle));
}

void Executor::end_shared() {
  if (star_) star_->settle();
  ends_.end_due();
}

void Executor::drop_released() {
  released_.clear();
  std::erase_if(cancelled_, [this](const auto& old) { return old.first < timers_.now(); });
}

double Executor::left_s(const RunningActivity& a) const {
  return a.left_s - (timers_.now() - a.left_at) * a.speed;
}

double Executor::finished_share(const RunningActivity& a) const {
  if (star_ && a.peer != no_node) return star_->finished_share(a);
  const SharedProcessor* const processor = nodes_[a.node].processor.get();
  if (processor != nullptr && processor->has(a)) return processor->finished_share(a);
  // SimGrid must not be asked about one that ends at this instant and is still to be reported.
  constexpr double hair = 1e-9;
  const bool has_ended = a.work_s > 0 && left_s(a) <= hair * (1 + timers_.now());
  if (computes_ && a.peer == no_node) {
    if (a.work_s <= 0) return 0;
    return has_ended ? 1 : 1 - left_s(a) / a.work_s;
  }
  if (!a.handle || a.handle->get_state() != sg::Activity::State::STARTED) return 0;
  if (const auto* exec = dynamic_cast<const sg::Exec*>(a.handle.get())) {
    return has_ended ? 1 : 1 - exec->get_remaining_ratio();
  }
  return a.what().bytes > 0 ? 1 - a.handle->get_remaining() / a.what().bytes : 0;
}

}  // namespace convoy::sim
