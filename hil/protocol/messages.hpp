#pragma once

// The generated message types. FlatBuffers' headers are not as clean as ours.

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include "messages_generated.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
