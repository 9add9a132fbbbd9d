#pragma once

// Tests that run once with each solver of the network (see sim/world/network_solver.hpp):
//
//   CONVOY_EACH_SOLVER(World);
//   TEST_P(World, ...) { ... }
//
// simple_world() and ScenarioRun then take the solver in use.

#include <gtest/gtest.h>

#include <string>

#include "sim/world/config.hpp"

namespace convoy::test {

// Of the test that runs; in all other tests the default.
inline sim::NetworkSolver& solver_in_use() {
  static sim::NetworkSolver solver = sim::WorldConfig{}.solver;
  return solver;
}

class EachSolver : public testing::TestWithParam<sim::NetworkSolver> {
 protected:
  EachSolver() { solver_in_use() = GetParam(); }
};

}  // namespace convoy::test

#define CONVOY_EACH_SOLVER(Suite)                     \
  class Suite : public ::convoy::test::EachSolver {}; \
  CONVOY_INSTANTIATE_EACH_SOLVER(Suite)

// For a fixture of one's own, derived from EachSolver.
#define CONVOY_INSTANTIATE_EACH_SOLVER(Suite)                                     \
  INSTANTIATE_TEST_SUITE_P(                                                       \
      , Suite,                                                                    \
      testing::Values(::convoy::sim::NetworkSolver::automatic,                    \
                      ::convoy::sim::NetworkSolver::simgrid),                     \
      [](const auto& instance) {                                                  \
        return std::string(name_of(::convoy::sim::solver_words, instance.param)); \
      })
