// Distributes points over the ranks of an MPI job. A rank requests a point for each free worker and
// reports the end of the worker's last point. Rank 0 answers with a point, or `none` if none is
// left, and has workers, too. If the sweep is to stop, rank 0 sends `stop` to every rank.

#include "sim/sweep/mpi.hpp"

#include <mpi.h>

#include <algorithm>
#include <vector>

namespace convoy::sim {
namespace {

constexpr int request = 1;
constexpr int answer = 2;
constexpr std::int64_t none = -1;
constexpr std::int64_t stop_now = -2;
constexpr int wait_ms = 2;  // polling interval: a blocking receive would occupy a core

int rank() {
  int r = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &r);
  return r;
}

bool waits(int tag, int& from) {
  int there = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &there, &status);
  from = status.MPI_SOURCE;
  return there != 0;
}

class Interruption {
 public:
  explicit Interruption(const Dispatch& work) : work_(work) {}
  void from_rank_0() { told_ = true; }
  // Repeatedly asks the points under way to stop.
  bool pass_on() {
    const bool stop = told_ || (work_.interrupted != nullptr && *work_.interrupted);
    if (!stop || ++looks_ % looks_between != 1) return stop;
    for (const PointWorker& worker : *work_.workers) worker.interrupt();
    return stop;
  }

 private:
  static constexpr int looks_between = 100;

  const Dispatch& work_;
  int looks_ = 0;
  bool told_ = false;
};

// A rank without open workers would not receive it.
void tell_to_stop(const std::vector<std::size_t>& open) {
  for (std::size_t rank = 1; rank < open.size(); ++rank) {
    if (open[rank] == 0) continue;
    MPI_Send(&stop_now, 1, MPI_INT64_T, static_cast<int>(rank), answer, MPI_COMM_WORLD);
  }
}

void hand_out(Dispatch& work) {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  // Workers of each rank that may still request. All ranks have the same number.
  std::vector<std::size_t> open(static_cast<std::size_t>(ranks), work.workers->size());
  open[0] = 0;
  std::size_t next = 0;
  Interruption interruption(work);
  const auto take = [&](bool stop) -> std::int64_t {
    if (stop || next == work.points.size()) return none;
    work.began(work.points[next]);
    return work.points[next++];
  };
  bool told = false;
  for (;;) {
    const bool stop = interruption.pass_on();
    if (stop && !told) tell_to_stop(open);
    told = stop;
    bool busy = false;
    for (PointWorker& worker : *work.workers) {
      if (!worker.busy() && !worker.dead()) {
        if (const std::int64_t point = take(stop); point >= 0) worker.begin(point);
      }
      busy = busy || worker.busy();
    }
    for (int from = 0; waits(request, from);) {
      std::int64_t message[2];
      MPI_Recv(message, 2, MPI_INT64_T, from, request, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      if (message[0] >= 0) work.ended({message[0], static_cast<int>(message[1])});
      const std::int64_t point = take(stop);
      MPI_Send(&point, 1, MPI_INT64_T, from, answer, MPI_COMM_WORLD);
      if (point == none) --open[static_cast<std::size_t>(from)];
    }
    if (!busy && std::ranges::all_of(open, [](std::size_t n) { return n == 0; })) return;
    for (const PointEnd& end : wait_for_ends(*work.workers, wait_ms)) work.ended(end);
    work.tick();
  }
}

void work_for_others(Dispatch& work) {
  const auto ask = [](const PointEnd& before) {
    const std::int64_t message[2] = {before.point, before.status};
    MPI_Send(message, 2, MPI_INT64_T, 0, request, MPI_COMM_WORLD);
  };
  std::size_t open = work.workers->size();
  for (std::size_t i = 0; i < open; ++i) ask({});
  Interruption interruption(work);
  while (open > 0) {
    interruption.pass_on();
    for (int from = 0; waits(answer, from);) {
      std::int64_t point = 0;
      MPI_Recv(&point, 1, MPI_INT64_T, 0, answer, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      if (point == stop_now) {
        interruption.from_rank_0();
        continue;
      }
      if (point == none) {
        --open;
        continue;
      }
      const auto idle = std::find_if(work.workers->begin(), work.workers->end(),
                                     [](const PointWorker& w) { return !w.busy() && !w.dead(); });
      if (idle == work.workers->end()) {
        constexpr int killed = 128 + 9;
        ask({point, killed});  // all workers of this rank have died
        continue;
      }
      idle->begin(point);
    }
    for (const PointEnd& end : wait_for_ends(*work.workers, wait_ms)) ask(end);
  }
}

}  // namespace
}  // namespace convoy::sim

int convoy_mpi_join() {
  int provided = 0;  // other threads, such as the live view's, make no calls of MPI
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  return convoy::sim::rank();
}

void convoy_mpi_dispatch(convoy::sim::Dispatch& work) {
  if (convoy::sim::rank() == 0) {
    convoy::sim::hand_out(work);
  } else {
    convoy::sim::work_for_others(work);
  }
  MPI_Finalize();
}
