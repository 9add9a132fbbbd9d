#pragma once

// Hands out the points of a sweep to free workers: of this process, or under mpirun of all ranks.

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/sweep/worker.hpp"

namespace convoy::sim {

struct Dispatch {
  std::vector<std::int64_t> points;  // to be run, in this order
  std::vector<PointWorker>* workers = nullptr;
  // Called for every point at its begin and end, in the process that hands out points.
  std::function<void(std::int64_t point)> began;
  std::function<void(const PointEnd&)> ended;
  std::function<void()> tick;  // called a few times a second
  const std::atomic<bool>* interrupted =
      nullptr;  // no further points; those under way are asked to stop
};

// Returns when all points have ended.
void dispatch(Dispatch& work);

// --- under mpirun -------------------------------------------------------------------------------

// True if Open MPI's mpirun has started this process.
bool under_mpi();

// Number of the job's ranks on this machine; 1 without mpirun.
int ranks_here();

// Gives the rank; rank 0 hands out points and works, too. Calls MPI_Init: workers must have been
// forked before. Throws base::UserError if the program was built without MPI.
int join_mpi();

// Ranks above 0 use only workers and interrupted of `work`. All ranks return when all points have
// ended. Calls MPI_Finalize.
void dispatch_by_mpi(Dispatch& work);

}  // namespace convoy::sim
