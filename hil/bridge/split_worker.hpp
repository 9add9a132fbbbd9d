#pragma once

// Threads that compute the server's parts of real nodes' split tasks, so that neither the sockets
// nor the simulation wait for that. Internal to hil/bridge; used by the bridge's thread only.

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "hil/bridge/server_part.hpp"
#include "sim/run/update_folder.hpp"
#include "sim/task/event.hpp"

namespace convoy::hil {

class SplitWorker {
 public:
  // Posts its callbacks to `io`. Saves the results in `folder`, as updates are; empty: not saved.
  SplitWorker(boost::asio::io_context& io, const std::filesystem::path& folder);

  // Must be called first. Gives the engine.
  std::shared_ptr<const engine::Engine> use(std::shared_ptr<const engine::Engine> engine) {
    return engine_ = std::move(engine);
  }

  // A task begins. `samples`: the node's training samples.
  void begin(const engine::TaskInput& input, std::int64_t samples,
             std::shared_ptr<const sim::SplitTask> task);
  // The task is over, or nobody wants it any more: what is being computed for it stops.
  void forget(sim::TaskId task);

  struct Sent {
    int artifact = 0;
    engine::Parcel parcel;
  };
  struct Verdict {
    std::string trouble;  // of what the node has sent; empty: it counts
    sim::Cause cause = sim::Cause::refused;
    std::string unsaved;                     // why this machine could not save the result
    std::optional<Sent> sent;                // what crosses next
    std::optional<engine::Outcome> outcome;  // of the task, if it is over
  };
  using Computed = std::function<void(Verdict verdict)>;
  // What the activity sends has come whole: decodes it and computes what the server computes next.
  // What then crosses to the node is kept for parcel(). Nothing is called back once the task is
  // forgotten.
  void came(sim::TaskId task, int activity, std::shared_ptr<engine::Unpacking> box, Computed then);
  // The artifact that is to cross to the node; null if it is not there (any more): there is one at
  // a time. Valid until the next is computed.
  [[nodiscard]] const engine::Parcel* parcel(sim::TaskId task, int artifact) const;

  // Asks what has begun to stop.
  void stop();
  // Waits for it; callable from any thread. Callbacks are dropped once `io` has stopped.
  void join() { threads_.join(); }

 private:
  struct Open {
    engine::TaskInput input;
    std::int64_t samples = 0;
    std::shared_ptr<const sim::SplitTask> task;
    std::optional<ServerPart> part;
    std::stop_source stop;
    std::optional<Sent> sent;  // of the bridge's thread
  };
  // In a thread of the pool, one call of a task at a time.
  void compute(Open& open, int activity, engine::Unpacking& box, Verdict& verdict) const;

  boost::asio::io_context& io_;
  std::optional<sim::UpdateFolder> updates_;
  std::shared_ptr<const engine::Engine> engine_;
  std::map<sim::TaskId, std::shared_ptr<Open>> open_;
  boost::asio::thread_pool threads_;
};

}  // namespace convoy::hil
