// Catch2's main, in an object of its own: it is the slow part to compile.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
