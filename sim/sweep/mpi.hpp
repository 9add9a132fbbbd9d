#pragma once

// What libconvoy_mpi.so offers: the one place that knows MPI. Internal to sim/sweep.

#include "sim/sweep/dispatch.hpp"

extern "C" {
int convoy_mpi_join();
void convoy_mpi_dispatch(convoy::sim::Dispatch& work);
}
