// grpc.h, and what tests include. Tests are compiled without optimisation, what they test with it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "libs/precompiled/grpc.h"
