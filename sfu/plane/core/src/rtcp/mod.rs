pub mod compound;
pub mod report;
pub mod feedback;
pub mod twcc;
