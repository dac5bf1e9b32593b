//! What every platform owes the driver.
