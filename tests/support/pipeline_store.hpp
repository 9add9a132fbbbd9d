#pragma once

// Pipelines simulated beside each other, and written down as a run would be.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sim/run/memory_rows.hpp"
#include "sim/schedule/pipeline_graph.hpp"
#include "sim/store/store.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::test {

class PipelineStore : public sim::WorldListener {
 public:
  explicit PipelineStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // On workers of its own, from 0 s on. `like`: each of its workers, by role; their names and
  // devices are made up.
  sim::TaskId add(sim::PipelineGraph pipeline, const std::vector<sim::NodeConfig>& like) {
    const auto task = static_cast<sim::TaskId>(made.size());
    std::vector<sim::NodeId>& nodes = members.emplace_back();
    for (std::size_t i = 0; i < pipeline.devices.size(); ++i) {
      nodes.push_back(static_cast<sim::NodeId>(config_.nodes.size()));
      config_.nodes.push_back(like[i % like.size()]);
      config_.nodes.back().name = "device-" + std::to_string(nodes.back());
    }
    made.push_back(std::move(pipeline));
    return task;
  }

  // Gives the folder of the store.
  std::filesystem::path write() {
    std::vector<sim::NodeRow> rows;
    for (const sim::NodeConfig& node : config_.nodes) {
      sim::NodeRow& row = rows.emplace_back();
      row.id = static_cast<std::int64_t>(rows.size()) - 1;
      row.name = row.id == 0 ? "server" : node.name.of(row.id);
      row.device = row.id == 0 ? "server-generic" : "jetson-tx2";
      row.mode = "MAXN";
      row.backend = "sim";
      row.memory_bytes = node.memory;
    }
    sim::StoreWriter store(folder_, {"pipelines", "by hand", 1, "", "0", "0.1.0", "CM02"}, rows,
                           sim::StoreMode::create);
    store_ = &store;
    sim::World world(config_, *this);
    for (std::size_t i = 0; i < made.size(); ++i) {
      world.start(static_cast<sim::TaskId>(i), made[i].graph, members[i]);
    }
    world.run();
    memory_.settle(store);
    store_ = nullptr;
    std::vector<sim::NodeEnd> ends;
    for (const sim::NodeRow& row : rows) {
      const auto node = static_cast<sim::NodeId>(row.id);
      usage.push_back(world.usage(node));
      sim::NodeEnd& end = ends.emplace_back();
      end.id = row.id;
      end.busy_s = usage.back().busy_s;
      end.communicating_s = usage.back().communicating_s;
      end.waiting_s = world.now() - usage.back().active_s;
      end.peak_memory_bytes = usage.back().peak_memory;
      end.bytes_in = usage.back().bytes_in;
      end.bytes_out = usage.back().bytes_out;
    }
    store.finish({.virtual_time_s = world.now()}, ends, {});
    return folder_;
  }

  void on_instant(std::span<const sim::Event> events) override {
    for (const sim::Event& event : events) {
      if (event.kind != sim::EventKind::task_done) continue;
      sim::TaskRow row;
      row.id = event.task;
      row.node = event.node;
      row.label = "pipeline";
      row.ended_s = event.time;
      row.outcome = "buffered";
      store_->add(row);
    }
  }
  void on_activity(const sim::ActivityRecord& record) override {
    const bool transfer = record.what->kind == sim::ActivityKind::transfer;
    sim::ActivityRow row{.task = record.task,
                         .activity = record.activity,
                         .iteration = record.iteration,
                         .is_transfer = transfer,
                         .label = record.what->label,
                         .node = record.node,
                         .ready_s = record.ready_s,
                         .start_s = record.start_s,
                         .end_s = record.end_s,
                         .bytes = record.what->bytes};
    if (transfer) row.peer = record.peer;
    store_->add(std::move(row));
  }
  void on_memory(sim::NodeId node, double bytes, double now) override {
    memory_.changed(node, bytes, now, *store_);
  }

  std::vector<sim::PipelineGraph> made;           // by task
  std::vector<std::vector<sim::NodeId>> members;  // by task and role
  std::vector<sim::NodeUsage> usage;              // by node, after write()

 private:
  std::filesystem::path folder_;
  sim::WorldConfig config_ = simple_world(0);
  sim::MemoryRows memory_;
  sim::StoreWriter* store_ = nullptr;
};

}  // namespace convoy::test
