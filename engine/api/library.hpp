#pragma once

// Opens the library that contains LibTorch on demand. Internal to engine/api.

#include <string>

namespace convoy::engine {

// A function of the engine library, by its C name. Throws base::UserError if the library is
// missing; the message names the need ("training.learn = true") and the advice `instead` (may be
// empty).
void* library_function(const char* name, const std::string& needed_by, const std::string& instead);

}  // namespace convoy::engine
