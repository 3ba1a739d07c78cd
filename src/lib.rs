#![doc = include_str!("README.md")]

pub mod api;
pub mod cli;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod domain;
pub mod git;
pub mod githttp;
pub mod hooks;
pub mod identity;
pub mod index;
pub mod krm;
pub mod listen;
pub mod telemetry;
