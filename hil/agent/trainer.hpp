#pragma once

// Executes the tasks of a run one after another in a thread of its own, with the same engine as the
// simulation. Does not know connections: a caller forwards orders and events, so that work goes on
// while the link is broken.

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/non_copyable.hpp"
#include "engine/api/engine.hpp"
#include "hil/agent/node_engine.hpp"
#include "hil/agent/node_tasks.hpp"
#include "hil/agent/state_folder.hpp"
#include "hil/protocol/messages.hpp"

namespace convoy::hil {

struct TrainerOptions {
  std::string device = "cpu";   // computes: cpu, cuda:N
  std::string data;             // data source on this machine; empty: no data needed
  bool own_data = false;        // train on the whole source, not on the part that the run assigns
  std::filesystem::path state;  // folder kept between processes; empty: nothing is kept
  double max_memory_bytes = 0;  // 0: no limit of its own
  // Makes the engine that the coordinator's setup asks for; another one in tests.
  std::function<NodeEngine(int node, const wire::SetupT& setup, const NodeData& data)> open =
      open_node_engine;
};

// Callbacks, called from the trainer's thread.
struct TrainerEvents {
  std::function<void(std::int64_t samples)> ready;
  std::function<void(const std::string& reason)> cannot;  // set-up failed
  std::function<void(wire::BeganT)> began;
  std::function<void(wire::EndedT)> ended;
  std::function<void(wire::FailedT)> failed;
  // A result is ready to be sent.
  std::function<void(std::int64_t task, std::int32_t attempt, engine::Parcel)> upload;
  std::function<void(wire::CancelledT)> cancelled;
  // An artifact of a split task is ready to be sent.
  std::function<void(std::int64_t task, std::int32_t attempt, int artifact, engine::Parcel)> cross;
};

class Trainer : base::NonCopyable {
 public:
  Trainer(TrainerOptions options, TrainerEvents events);
  // Asks the running job to stop and waits for it.
  ~Trainer();

  // These may be called from any thread; none of them waits for training.

  // Sets the run and this node's number in it. Data of another run is forgotten; for the same run
  // nothing changes, and `ready` is called again.
  void set_up(const std::string& run, int node, const wire::SetupT& setup);
  void assign(const wire::AssignT& assign);
  // Memory for the received weights of a task; null if the task is unknown.
  std::shared_ptr<engine::Unpacking> room_for(std::int64_t task, std::int32_t attempt,
                                              const std::string& header, std::uint64_t bytes);
  void arrived(std::int64_t task, std::int32_t attempt,
               const std::shared_ptr<engine::Unpacking>& box);
  // The same for what crosses to the node in a split task. If it is here already: has_got().
  [[nodiscard]] bool has_got(std::int64_t task, std::int32_t attempt, int artifact) const;
  std::shared_ptr<engine::Unpacking> room_to_cross(std::int64_t task, std::int32_t attempt,
                                                   const std::string& header, std::uint64_t bytes);
  void crossed(std::int64_t task, std::int32_t attempt, int artifact,
               const std::shared_ptr<engine::Unpacking>& box);
  // A repeated call is answered again, but the work is done once.
  void begin(const wire::BeginT& begin);
  void cancel(std::int64_t task, std::int32_t attempt);
  // Drops all tasks: the run is over.
  void drop_all();
  void kept(std::int64_t task, std::int32_t attempt);

  [[nodiscard]] std::vector<wire::KnownTaskT> known() const;
  [[nodiscard]] std::string run() const;

 private:
  struct Running {
    std::int64_t task = 0;
    NodeTask::Step step;
    std::int64_t since_ns = 0;
  };

  void loop(const std::stop_token& stop);
  // Null if the first job of the queue cannot start yet.
  std::function<void()> next_job();
  void do_set_up(const std::string& run, int node, const wire::SetupT& setup);
  void compute(const wire::BeginT& begin);
  // True if the task's result is complete.
  bool carry_out(const wire::BeginT& begin, NodeTask& task);
  void say_again(const wire::BeginT& begin, const NodeTask& task);
  void upload(const wire::BeginT& begin);
  void cross(const wire::BeginT& begin);
  void fail(const wire::BeginT& begin, wire::Trouble trouble, const std::string& reason);
  // With the mutex held:
  bool is_ready_again(const std::string& run, int node) const;  // calls `ready`, too
  void forget_run();

  void read_kept();

  TrainerOptions options_;
  TrainerEvents events_;
  StateFolder folder_;

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::variant<std::function<void()>, wire::BeginT>> queue_;
  NodeTasks tasks_;
  std::optional<Running> running_;
  std::string run_;
  int node_ = -1;
  NodeEngine node_engine_;  // without an engine: not set up
  std::shared_ptr<const engine::NodeState> state_;
  std::jthread thread_;  // last, so that it is joined first
};

}  // namespace convoy::hil
