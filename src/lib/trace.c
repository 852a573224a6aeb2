#include "lib/trace.h"

struct trace trace;
