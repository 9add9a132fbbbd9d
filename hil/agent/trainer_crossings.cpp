// What crosses to a node and from it in a split task.

#include <fmt/format.h>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "engine/api/largest_crossing.hpp"
#include "hil/agent/memory_limit.hpp"
#include "hil/agent/trainer.hpp"
#include "hil/protocol/connection.hpp"

namespace convoy::hil {

bool Trainer::has_got(std::int64_t id, std::int32_t attempt, int artifact) const {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<NodeTask> task = tasks_.find(id, attempt);
  return task && task->artifacts.contains(artifact);
}

std::shared_ptr<engine::Unpacking> Trainer::room_to_cross(std::int64_t id, std::int32_t attempt,
                                                          const std::string& header,
                                                          std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<NodeTask> task = tasks_.find(id, attempt);
  if (!task || !task->split || !node_engine_.architecture) return nullptr;
  if (bytes > engine::largest_crossing(*node_engine_.architecture, task->input)) {
    throw base::UserError(fmt::format("task {} is to go on with {}, more than crosses any cut", id,
                                      base::human_bytes(static_cast<double>(bytes))));
  }
  return node_engine_.engine->unpack(header, bytes, fmt::format("what crosses in task {}", id));
}

void Trainer::crossed(std::int64_t id, std::int32_t attempt, int artifact,
                      const std::shared_ptr<engine::Unpacking>& box) {
  {
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<NodeTask> task = tasks_.find(id, attempt);
    if (!task || task->artifacts.contains(artifact)) return;
    task->artifacts[artifact] =
        node_engine_.engine->unpack_crossing(*box, task->input, node_engine_.samples).artifact;
  }
  wake_.notify_all();
}

// Also again, after a broken connection: it is here until the coordinator needs it no more.
void Trainer::cross(const wire::BeginT& begin) {
  engine::Parcel parcel;
  try {
    std::shared_ptr<NodeTask> task;
    engine::Crossing crossing;
    {
      const std::lock_guard lock(mutex_);
      task = tasks_.find(begin.task, begin.attempt);
      if (task) crossing.artifact = task->inputs_of({begin.artifact}).front().artifact;
    }
    if (!task) {
      fail(begin, wire::Trouble::unknown_task, "the agent does not know that task");
      return;
    }
    if (!task->session && !task->outcome) {
      throw base::UserError(fmt::format("nothing of task {} is trained yet", begin.task));
    }
    crossing.loss = task->session ? task->session->outcome().loss : task->outcome->loss;
    parcel = node_engine_.engine->pack_crossing(crossing);
  } catch (const std::exception& e) {
    fail(begin, trouble_of(e), base::first_line(e.what()));
    return;
  }
  auto began = of_task<wire::BeganT>(begin.task, begin.attempt);
  began.activity = begin.activity;
  began.iteration = begin.iteration;
  events_.began(began);
  events_.cross(begin.task, begin.attempt, begin.artifact, std::move(parcel));
}

}  // namespace convoy::hil
