#pragma once

// Tests that run with each solver of the network and each of some values, such as latencies (a
// process has one world):
//
//   CONVOY_EACH_SOLVER_WITH(World, 0, 0.5);
//   TEST_P(World, ...) { ... value() ... }

#include <tuple>

#include "tests/support/each_solver.hpp"

namespace convoy::test {

class EachSolverWith : public testing::TestWithParam<std::tuple<sim::NetworkSolver, double>> {
 protected:
  EachSolverWith() { solver_in_use() = std::get<0>(GetParam()); }
  static double value() { return std::get<1>(GetParam()); }
};

}  // namespace convoy::test

#define CONVOY_EACH_SOLVER_WITH(Suite, ...)                                      \
  class Suite : public ::convoy::test::EachSolverWith {};                        \
  INSTANTIATE_TEST_SUITE_P(                                                      \
      , Suite,                                                                   \
      testing::Combine(testing::Values(::convoy::sim::NetworkSolver::automatic,  \
                                       ::convoy::sim::NetworkSolver::simgrid),   \
                       testing::Values(__VA_ARGS__)),                            \
      [](const auto& instance) {                                                 \
        const auto solver = std::get<0>(instance.param);                         \
        return std::string(name_of(::convoy::sim::solver_words, solver)) + "_" + \
               std::to_string(instance.index);                                   \
      })
