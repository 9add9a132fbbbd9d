#pragma once

// Numbers that nobody can guess.

#include <string>

namespace convoy::hil {

// 128 random bits from the system, as 32 hexadecimal digits.
std::string random_id();

}  // namespace convoy::hil
