//! The long tests (`make soak`): the real binary under load, for as long as it takes to see a leak.
