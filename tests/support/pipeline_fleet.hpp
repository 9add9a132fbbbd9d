#pragma once

// A fleet of five unequal boards for schedules of pipelines.

#include <memory>
#include <string>
#include <vector>

#include "sim/schedule/kinds.hpp"
#include "tests/support/hand_machine.hpp"
#include "tests/support/read_kind.hpp"

namespace convoy::sim {

struct Board {
  std::string name;
  double flops_per_s;
  double memory;
};

inline const std::vector<Board> five = {{"nano-1", 2e11, 3e9},
                                        {"nano-2", 2e11, 3e9},
                                        {"tx2-1", 5e11, 6e9},
                                        {"xavier-1", 1e12, 8e9},
                                        {"xavier-2", 1e12, 8e9}};

inline std::shared_ptr<Setting> boards_setting(const std::vector<Board>& boards,
                                               double mbps = 1000) {
  auto setting = std::make_shared<Setting>();
  engine::ModelOptions model;
  model.architecture = "resnet18";
  model.image_size = 64;
  model.exits = {1};
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  const auto add = [&](const Board& board) {
    auto machine =
        std::make_shared<platforms::Machine>(convoy::test::hand_machine(board.flops_per_s, 2e10));
    machine->memory = board.memory;
    machine->context = 2e8;
    machine->device = board.name.substr(0, board.name.find('-')) + "-board";
    setting->nodes.push_back({board.name,
                              machine,
                              100,
                              8,
                              {"", "", platforms::Duplex::full, mbps * 1e6, mbps * 1e6, 0.001}});
  };
  add({"server", 1e13, 0});
  for (const Board& board : boards) add(board);
  return setting;
}

inline std::unique_ptr<Schedule> made(const ScheduleKind& kind,
                                      const std::shared_ptr<Setting>& setting,
                                      const std::string& keys = "") {
  return read_kind(kind, keys).make(setting);
}

inline std::string refused(const ScheduleKind& kind, const std::shared_ptr<Setting>& setting,
                           const std::string& keys) {
  try {
    made(kind, setting, keys);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

}  // namespace convoy::sim
