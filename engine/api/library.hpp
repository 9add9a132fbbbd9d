#pragma once

// The library that holds LibTorch, opened on demand. Inside engine/api only.

#include <string>

namespace convoy::engine {

// A function of the library beside the running program, by its C name. Throws base::UserError where
// the library is not there, saying what needs it ("training.learn = true") and what to do
// (`instead`, may be empty).
void* library_function(const char* name, const std::string& needed_by, const std::string& instead);

}  // namespace convoy::engine
