#pragma once

// Hands the points of a sweep out to workers as they get free: to those of this process, and under
// mpirun to those of all ranks.

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/sweep/worker.hpp"

namespace convoy::sim {

struct Dispatch {
  std::vector<std::int64_t> points;  // that are to be run, in this order
  std::vector<PointWorker>* workers = nullptr;
  // Told of every point as it begins and ends; where points are handed out.
  std::function<void(std::int64_t point)> began;
  std::function<void(const PointEnd&)> ended;
  std::function<void()> tick;  // a few times a second
  const std::atomic<bool>* interrupted =
      nullptr;  // no further points; those under way are asked to stop
};

// Returns when all have ended.
void dispatch(Dispatch& work);

// --- under mpirun -------------------------------------------------------------------------------

// This process was started by Open MPI's mpirun.
bool under_mpi();

// How many ranks of the job share this machine; 1 without mpirun.
int ranks_here();

// Its rank; 0 hands out, and works, too. Calls MPI_Init: the workers must have been forked. Throws
// base::UserError where this program was built without MPI.
int join_mpi();

// Of `work` the other ranks use workers and interrupted alone. Everybody returns when all points
// have ended. Calls MPI_Finalize.
void dispatch_by_mpi(Dispatch& work);

}  // namespace convoy::sim
