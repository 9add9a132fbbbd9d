#pragma once

// What an agent does for a run: tasks, one after another, in a thread of its own, with the engine
// that the simulation has. Knows nothing of connections: it is told what to do and says what
// happened, so that both survive a broken link.

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

#include "engine/api/engine.hpp"
#include "hil/agent/node_engine.hpp"
#include "hil/agent/node_tasks.hpp"
#include "hil/agent/state_folder.hpp"
#include "hil/protocol/messages.hpp"

namespace convoy::hil {

struct TrainerOptions {
  std::string device = "cpu";   // that computes: cpu, cuda:N
  std::string data;             // source of the data set on this machine; empty: it needs none
  bool own_data = false;        // trains on all of it, not on a part that the run gives it
  std::filesystem::path state;  // folder; empty: nothing outlives the process
  double max_memory_bytes = 0;  // 0: no limit of its own
};

// Called from the trainer's thread.
struct TrainerEvents {
  std::function<void(std::int64_t samples)> ready;
  std::function<void(const std::string& reason)> cannot;  // be set up
  std::function<void(wire::BeganT)> began;
  std::function<void(wire::EndedT)> ended;
  std::function<void(wire::FailedT)> failed;
  // A result is to be sent.
  std::function<void(std::int64_t task, std::int32_t attempt, engine::Parcel)> upload;
  std::function<void(wire::CancelledT)> cancelled;
};

class Trainer {
 public:
  Trainer(TrainerOptions options, TrainerEvents events);
  // Asks what runs to stop and waits for it.
  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // From any thread; none of them waits for training.

  // The run and the node that it is. What was known of another run is forgotten; with the same one
  // nothing changes, and `ready` comes again.
  void set_up(const std::string& run, int node, const wire::SetupT& setup);
  void assign(const wire::AssignT& assign);
  // Memory for what a task starts from; null where the task is not known.
  std::shared_ptr<engine::Unpacking> room_for(std::int64_t task, std::int32_t attempt,
                                              const std::string& header, std::uint64_t bytes);
  void arrived(std::int64_t task, std::int32_t attempt,
               const std::shared_ptr<engine::Unpacking>& box);
  // Said again it is answered again, and done once.
  void begin(const wire::BeginT& begin);
  void cancel(std::int64_t task, std::int32_t attempt);
  // The run is over.
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
  // Null where the queue's first cannot be done yet.
  std::function<void()> next_job();
  void do_set_up(const std::string& run, int node, const wire::SetupT& setup);
  void compute(const wire::BeginT& begin);
  // True: the task's result is whole.
  bool carry_out(const wire::BeginT& begin, NodeTask& task);
  void say_again(const wire::BeginT& begin, const NodeTask& task);
  void upload(const wire::BeginT& begin);
  void fail(const wire::BeginT& begin, wire::Trouble trouble, const std::string& reason);
  // With the lock:
  bool is_ready_again(const std::string& run, int node) const;  // and says so
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
  NodeEngine node_engine_;  // no engine: it is not set up
  std::shared_ptr<const engine::NodeState> state_;
  std::jthread thread_;  // last
};

}  // namespace convoy::hil
