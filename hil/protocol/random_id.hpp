#pragma once

// Unpredictable ids.

#include <string>

namespace convoy::hil {

// 128 random bits of the system, as 32 hexadecimal digits.
std::string random_id();

}  // namespace convoy::hil
