#pragma once

// The limit of a transfer's rate (Activity::bytes_per_s) in SimGrid. Internal to sim/world.
//
// SimGrid's Comm::set_rate() does not reach a Comm between two hosts that no actor sends (3.32: it
// is ignored; the sources of 2024: the same, and refused once both hosts are set). The limit is a
// member of the Comm's implementation, whose class is not in SimGrid's public headers, but whose
// function is exported by its library (tried with 3.32; in the sources up to 2023 it is the same).
//
// The flow then gets at most so many bytes/s of data, whatever the network model: LV08's factors
// for the bandwidth lower what the links give, not the limit.

#include <simgrid/s4u/Comm.hpp>

namespace simgrid::kernel::activity {

// The part of SimGrid's class that is used here.
class CommImpl {
 public:
  CommImpl& set_rate(double bytes_per_s);
};

}  // namespace simgrid::kernel::activity

namespace convoy::sim {

// Call before the start.
inline void limit_rate(simgrid::s4u::Comm& comm, double bytes_per_s) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): see above
  reinterpret_cast<simgrid::kernel::activity::CommImpl*>(comm.get_impl())->set_rate(bytes_per_s);
}

}  // namespace convoy::sim
